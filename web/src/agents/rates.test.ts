import { describe, expect, it } from 'vitest'
import { Rates, reasons } from './rates'

describe('rates', () => {
  it('are a line from the second look on, and are forgotten with their agent', () => {
    const rates = new Rates()
    rates.add([['a', 1]])
    expect(rates.line('a', 60, 10)).toBe('')
    rates.add([
      ['a', 3],
      ['b', 0],
    ])
    expect(rates.line('a', 19, 10)).toBe('M18.0 6.3L19.0 1.0')
    rates.add([['b', 0]])
    expect(rates.line('a', 60, 10)).toBe('')
  })
})

describe('reasons', () => {
  it('are those that count, the most frequent first', () => {
    expect(reasons({ key: 2, limit: 0 }, { script: 5 })).toEqual([
      ['script', 5],
      ['key', 2],
    ])
  })
})

import { describe, expect, it } from 'vitest'
import { type Address, HOME, format, parse, bounds, seconds, span } from './address'

describe('the address', () => {
  const cases: [string, Address][] = [
    ['', HOME],
    ['?q=user%3A33*+state%3Afailed', { ...HOME, query: 'user:33* state:failed' }],
    ['?view=overview&last=1h', { ...HOME, screen: 'overview', range: '1h' }],
    ['?last=ever', { ...HOME, range: '' }],
    ['?view=access&text=ann', { ...HOME, screen: 'access', words: 'ann' }],
    ['?view=registrations&state=failed', { ...HOME, screen: 'registrations', state: 'failed' }],
    ['?q=x&sort=-setup', { ...HOME, query: 'x', sort: '-setup' }],
    ['?call=00aa&look=address%2Chep', { ...HOME, call: '00aa', look: 'address,hep' }],
    ['?last=15m&all=1', { ...HOME, range: '15m', all: true }],
    ['?call=00aa&message=17&with=18', { ...HOME, call: '00aa', message: '17', other: '18' }],
  ]
  it.each(cases)('%s reads and writes', (search, address) => {
    expect(parse(search)).toEqual(address)
    expect(format(address)).toBe(search)
  })

  it('passes over what makes no sense', () => {
    expect(parse('?last=soon&message=3&with=4&look=hep&x=y')).toEqual(HOME)
    expect(parse('?last=999999999h').range).toBe(HOME.range)
  })
})

describe('ranges', () => {
  it.each([
    ['15m', 900],
    ['7d', 604_800],
    ['0m', null],
    ['', null],
  ])('%s', (range, expected) => expect(seconds(range)).toBe(expected))

  it('count back from now', () => {
    expect(bounds('1h', Date.UTC(2026, 0, 1, 12))).toEqual({ from: '2026-01-01T11:00:00.000Z' })
    expect(bounds('', 0)).toEqual({})
  })

  it('may have both ends', () => {
    const range = '2026-01-01T11:00:00.000Z..2026-01-01T12:00:00.000Z'
    const both = { from: '2026-01-01T11:00:00.000Z', to: '2026-01-01T12:00:00.000Z' }
    expect(bounds(range, 0)).toEqual(both)
    expect(parse(`?last=${range}`).range).toBe(range)
    expect(span('a..b')).toBeNull()
  })
})

import { describe, expect, it } from 'vitest'
import type { Histogram } from '../types'
import { strip, timeAt } from './strip'

const NONE = { answered: 0, cancelled: 0, redirected: 0, failed: 0, unanswered: 0 }
const histogram = (calls: Partial<typeof NONE>[]): Histogram => ({
  bucket_us: 60_000_000,
  buckets: calls.map((some, minute) => ({
    from: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString(),
    messages: 7,
    calls: { ...NONE, ...some },
  })),
})

describe('bars', () => {
  it('stand upon each other, the highest fills the strip', () => {
    const made = strip(histogram([{ answered: 3, failed: 1 }, {}, { answered: 2 }]), 300, 42)
    expect(made?.most).toBe(4)
    expect(made?.bars).toEqual([
      { x: 0, width: 99, y: 12, height: 30, outcome: 'answered' },
      { x: 0, width: 99, y: 2, height: 10, outcome: 'failed' },
      { x: 200, width: 99, y: 22, height: 20, outcome: 'answered' },
    ])
  })

  it('are of messages where calls cannot be asked', () => {
    const of = histogram([{}])
    const messages = { ...of, buckets: of.buckets.map((bucket) => ({ ...bucket, calls: null })) }
    expect(strip(messages, 100, 42)?.bars.map((bar) => bar.outcome)).toEqual(['messages'])
  })

  it('are none of nothing', () => {
    expect(strip(histogram([{}, {}]), 100, 40)).toBeNull()
    expect(strip(histogram([]), 100, 40)).toBeNull()
  })
})

describe('a place of the strip', () => {
  const made = strip(histogram([{ failed: 1 }, { failed: 1 }]), 100, 40)
  it.each([
    [0, 0],
    [0.5, 60],
    [1, 120],
    [7, 120],
    [-1, 0],
  ])('%s is after %s seconds', (share, seconds) => {
    expect(made && timeAt(made, share)).toBe(Date.UTC(2026, 0, 1) + seconds * 1000)
  })
})

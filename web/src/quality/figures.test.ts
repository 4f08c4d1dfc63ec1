import { describe, expect, it } from 'vitest'
import { columns, steps } from './figures'

const point = (at: number, loss: number | null) => ({
  at,
  row: String(at),
  loss_percent: loss,
  jitter_ms: 3,
  round_trip_ms: null,
  reported_mos: null,
  estimate: null,
})

describe('figures of quality', () => {
  it.each([
    [4.41, 'good'],
    [4.02, 'fair'],
    [3.1, 'fair'],
    [2.6, 'poor'],
  ])('%d is %s', (mos, expected) => expect(steps(mos)).toBe(expected))

  it('stay apart where nothing is known', () => {
    const made = columns([point(1_000_000, 2), point(3_000_000, null)])
    expect(made.times).toEqual([1, 3])
    expect(made.loss).toEqual([2, null])
    expect(made.mos).toEqual([null, null])
  })
})

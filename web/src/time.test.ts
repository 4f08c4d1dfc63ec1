import { describe, expect, it } from 'vitest'
import { between, day, duration, fineClock, full, micros, moment, offset } from './time'

const NEW_YEAR = Date.UTC(2026, 0, 1, 0, 0, 5) * 1000 + 7_042

describe('times', () => {
  it('are those of the clock, to the digit', () => {
    expect(fineClock(NEW_YEAR, true)).toBe('00:00:05.007')
    expect(full(NEW_YEAR, true)).toBe('2026-01-01 00:00:05.007042')
    expect(day(NEW_YEAR - 6_000_000, true)).toBe('2025-12-31')
  })

  it('are read to the microsecond', () => {
    expect(micros('2026-01-01T00:00:05.007042Z')).toBe(NEW_YEAR)
    expect(micros('2026-01-01T00:00:05.0070429Z')).toBe(NEW_YEAR)
    expect(micros('2026-01-01T01:00:05+01:00')).toBe(NEW_YEAR - 7_042)
  })

  it('say the day where it is not today', () => {
    expect(moment(NEW_YEAR, '2026-01-01', true)).toBe('00:00:05')
    expect(moment(NEW_YEAR, '2026-01-02', true)).toBe('01-01 00:00:05')
    const [hour, next] = [3_600_000_000, 24 * 3_600_000_000]
    expect(between(NEW_YEAR, NEW_YEAR + hour, NEW_YEAR, true)).toBe('00:00:05 – 01:00:05')
    expect(between(NEW_YEAR, NEW_YEAR + hour, NEW_YEAR + next, true)).toBe('2026-01-01 00:00:05 – 01:00:05')
    expect(between(NEW_YEAR, NEW_YEAR + next, NEW_YEAR, true)).toBe(
      '2026-01-01 00:00:05 – 2026-01-02 00:00:05',
    )
  })

  it.each([
    [null, ''],
    [0, '0 ms'],
    [700, '0.7 ms'],
    [3_000, '3 ms'],
    [82_400, '82 ms'],
    [999_499, '999 ms'],
    [999_500, '1.00 s'],
    [2_412_000, '2.41 s'],
    [59_994_999, '59.99 s'],
    [59_995_000, '1:00'],
    [65_000_000, '1:05'],
    [7_389_000_000, '2:03:09'],
  ])('%s lasts %s', (micros, text) => expect(duration(micros)).toBe(text))

  it.each([
    [0, '+0.000'],
    [12_345_678, '+12.346'],
    [-3_000, '−0.003'],
  ])('%s is %s', (micros, text) => expect(offset(micros)).toBe(text))
})

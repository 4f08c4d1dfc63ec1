// Times and durations as text. Times are microseconds since 1970.

const formats = new Map<string, Intl.DateTimeFormat>()

function format(utc: boolean, withDate: boolean): Intl.DateTimeFormat {
  const key = `${String(utc)} ${String(withDate)}`
  let known = formats.get(key)
  if (!known) {
    known = new Intl.DateTimeFormat('en-GB', {
      ...(withDate ? { year: 'numeric', month: '2-digit', day: '2-digit' } : {}),
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
      ...(utc ? { timeZone: 'UTC' } : {}),
    })
    formats.set(key, known)
  }
  return known
}

const seconds = (micros: number) => Math.floor(micros / 1_000_000)
const pad = (number: number, width: number) => String(number).padStart(width, '0')

/** `10:31:07` */
export function clock(micros: number, utc: boolean): string {
  return format(utc, false).format(seconds(micros) * 1000)
}

/** `10:31:07.123`, with `digits` behind the point. */
export function fineClock(micros: number, utc: boolean, digits = 3): string {
  const fraction = micros - seconds(micros) * 1_000_000
  return `${clock(micros, utc)}.${pad(fraction, 6).slice(0, digits)}`
}

/** `2026-11-23` */
export function day(micros: number, utc: boolean): string {
  const parts = format(utc, true).formatToParts(seconds(micros) * 1000)
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? ''
  return `${part('year')}-${part('month')}-${part('day')}`
}

/** `2026-11-23 10:31:07.123456` */
export function full(micros: number, utc: boolean): string {
  return `${day(micros, utc)} ${fineClock(micros, utc, 6)}`
}

/** The microseconds of a time of RFC 3339. */
export function micros(at: string): number {
  const [, fraction = ''] = /\.(\d+)/.exec(at) ?? []
  return Math.floor(Date.parse(at) / 1000) * 1_000_000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

/** A time of today as `10:31:07`, of another day as `11-23 10:31:07`: the year is said where the pointer rests. */
export function moment(micros: number, today: string, utc: boolean): string {
  const date = day(micros, utc)
  const time = clock(micros, utc)
  return date === today ? time : `${date.slice(5)} ${time}`
}

/** From when to when: the days are said where they are not one and the same, which is today. */
export function between(from: number, to: number, now: number, utc: boolean): string {
  const [first, last, today] = [from, to, now].map((at) => day(at, utc))
  if (first === today && last === today) return `${clock(from, utc)} – ${clock(to, utc)}`
  const end = first === last ? clock(to, utc) : `${last ?? ''} ${clock(to, utc)}`
  return `${first ?? ''} ${clock(from, utc)} – ${end}`
}

/** How long, for a table: `82 ms`, `2.41 s`, `1:05`, `2:03:09`. */
export function duration(micros: number | null): string {
  if (micros === null) return ''
  if (Math.abs(micros) < 9_950 && micros % 1000 !== 0) return `${(micros / 1000).toFixed(1)} ms`
  if (micros < 999_500) return `${String(Math.round(micros / 1000))} ms`
  if (micros < 59_995_000) return `${(micros / 1_000_000).toFixed(2)} s`
  const whole = Math.round(micros / 1_000_000)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return hours > 0
    ? `${String(hours)}:${pad(minutes, 2)}:${pad(rest, 2)}`
    : `${String(minutes)}:${pad(rest, 2)}`
}

/** `840 B`, `12.4 kB`, `3.1 GB`. */
export function octets(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [number, unit] = [count, 0]
  while (number >= 1000 && unit < units.length - 1) {
    number /= 1000
    unit += 1
  }
  return `${unit === 0 || number >= 100 ? number.toFixed(0) : number.toFixed(1)} ${units[unit] ?? ''}`
}

/** A difference with its sign: `+0.000`, `+12.345`, `−0.003`, in seconds. */
export function offset(micros: number): string {
  const sign = micros < 0 ? '−' : '+'
  return `${sign}${(Math.abs(micros) / 1_000_000).toFixed(3)}`
}

// The address bar is the state: what stands there can be pasted to a colleague, who sees the same.

export const SCREENS = ['calls', 'overview', 'agents', 'registrations', 'access'] as const
export type Screen = (typeof SCREENS)[number]

export interface Address {
  /** What is shown where no call is open. */
  screen: Screen
  /** What is asked for, in the query language. */
  query: string
  /** How far back (`15m`, `24h`, `7d`), or from when to when (two times of RFC 3339 with `..` between); empty for everything. */
  range: string
  /** Registrations, subscriptions, messages and OPTIONS as well. */
  all: boolean
  /** By what the calls are ordered, with `-` in front where the largest comes first; empty for the newest first. */
  sort: string
  /** What is looked for in lists that have no query: registrations, the audit log. */
  words: string
  /** Registrations of one state only. */
  state: string
  /** The call that is open. */
  call: string | null
  /** The message that is shown, by its row. */
  message: string | null
  /** The one that it is compared with. */
  other: string | null
  /** How the call is shown, where that is not the usual: see `Look`. */
  look: string
}

export const RANGES = ['15m', '1h', '6h', '24h', '7d', '30d', ''] as const

export const HOME: Address = {
  screen: 'calls',
  query: '',
  range: '24h',
  all: false,
  sort: '',
  words: '',
  state: '',
  call: null,
  message: null,
  other: null,
  look: '',
}

/** Reads the search part of a location. What is not understood is passed over. */
export function parse(search: string): Address {
  const given = new URLSearchParams(search)
  const range = given.get('last')
  return {
    screen: SCREENS.find((screen) => screen === given.get('view')) ?? HOME.screen,
    query: given.get('q') ?? '',
    range:
      range === 'ever' ? '' : range !== null && (seconds(range) !== null || span(range)) ? range : HOME.range,
    all: given.get('all') === '1',
    sort: given.get('sort') ?? '',
    words: given.get('text') ?? '',
    state: given.get('state') ?? '',
    call: given.get('call'),
    message: given.get('call') ? given.get('message') : null,
    other: given.get('call') && given.get('message') ? given.get('with') : null,
    look: (given.get('call') && given.get('look')) || '',
  }
}

/** The search part that `parse` reads; nothing for the home page. */
export function format(address: Address): string {
  const search = new URLSearchParams()
  if (address.screen !== HOME.screen) search.set('view', address.screen)
  if (address.query) search.set('q', address.query)
  if (address.range !== HOME.range) search.set('last', address.range || 'ever')
  if (address.all) search.set('all', '1')
  if (address.sort) search.set('sort', address.sort)
  if (address.state) search.set('state', address.state)
  if (address.words) search.set('text', address.words)
  if (address.call) search.set('call', address.call)
  if (address.call && address.message) search.set('message', address.message)
  if (address.call && address.message && address.other) search.set('with', address.other)
  if (address.call && address.look) search.set('look', address.look)
  const text = search.toString()
  return text ? `?${text}` : ''
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds of a range such as `15m`; nothing where it is none. */
export function seconds(range: string): number | null {
  const [, number, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(range) ?? []
  const factor = unit === undefined ? undefined : UNITS[unit]
  return number === undefined || factor === undefined ? null : Number(number) * factor
}

/** Both ends of a range that says them. */
export function span(range: string): { from: string; to: string } | null {
  const [from, to, more] = range.split('..')
  if (from === undefined || to === undefined || more !== undefined) return null
  return Number.isNaN(Date.parse(from)) || Number.isNaN(Date.parse(to)) ? null : { from, to }
}

/** From when to when a range asks, at `now` (milliseconds since 1970), as RFC 3339. */
export function bounds(range: string, now: number): { from?: string; to?: string } {
  const length = seconds(range)
  return length === null ? (span(range) ?? {}) : { from: new Date(now - length * 1000).toISOString() }
}

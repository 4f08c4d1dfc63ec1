// The list of calls as it is known: pages that were loaded, with what became of calls since.

import type { Call } from '../types'

export type SortKey =
  'started' | 'from' | 'to' | 'setup' | 'talk' | 'duration' | 'code' | 'messages' | 'state'

export interface Sort {
  key: SortKey
  down: boolean
}

export const NEWEST: Sort = { key: 'started', down: true }

const KEYS: SortKey[] = ['started', 'from', 'to', 'setup', 'talk', 'duration', 'code', 'messages', 'state']

/** Reads an order as the address has it: `setup`, or `-setup` with the largest first. */
export function readSort(words: string): Sort {
  const down = words.startsWith('-')
  const key = KEYS.find((known) => known === words.slice(down ? 1 : 0))
  return key ? { key, down } : NEWEST
}

/** What `readSort` reads; nothing for the newest first. */
export function writeSort({ key, down }: Sort): string {
  return key === NEWEST.key && down === NEWEST.down ? '' : `${down ? '-' : ''}${key}`
}

/** The order by a column: by another one than now, or turned round. */
export function sortBy(now: Sort, key: SortKey): Sort {
  return { key, down: now.key === key ? !now.down : key === 'started' }
}

/** Takes calls in: those that are known take the place of what was told before. Gives the ids that are new. */
export function take(known: Map<string, Call>, calls: Call[]): string[] {
  const fresh: string[] = []
  for (const call of calls) {
    const before = known.get(call.id)
    if (!before) fresh.push(call.id)
    // An answer that was on its way may be older than the one before it.
    if (!before || before.last <= call.last) known.set(call.id, call)
  }
  return fresh
}

/** Whether there may be calls between those that were known and these newest ones, of which `fresh` were not known. */
export function leavesGap(newest: Call[], fresh: string[]): boolean {
  const unknown = new Set(fresh)
  // What is open always comes first: only among what is closed it shows where the known ones begin.
  const closed = newest.filter((call) => call.closed !== null)
  return closed.length > 0 && closed.every((call) => unknown.has(call.id))
}

/** Lets go what was open, is as new as what is `newest`, and is not among that any more: it fits no longer. */
export function forget(known: Map<string, Call>, newest: Call[]) {
  const ids = new Set(newest.map((call) => call.id))
  const oldest = newest.reduce((started, call) => Math.min(started, call.started), Infinity)
  for (const call of known.values()) {
    if (call.closed === null && !ids.has(call.id) && (call.started >= oldest || newest.length === 0))
      known.delete(call.id)
  }
}

const party = (call: Call, side: 'from' | 'to') => call[side].user ?? call[side].host ?? ''

function value(call: Call, key: SortKey): number | string | null {
  switch (key) {
    case 'started':
      return call.started
    case 'from':
    case 'to':
      return party(call, key)
    case 'setup':
      return call.setup_us
    case 'talk':
      return call.talk_us
    case 'duration':
      return call.duration_us
    case 'code':
      return call.final_code
    case 'messages':
      return call.messages
    case 'state':
      return call.state
  }
}

/** The calls in order; those that have no such value come last, and equal ones newest first. */
export function sorted(calls: Iterable<Call>, sort: Sort): Call[] {
  return [...calls].sort((one, other) => {
    const [a, b] = [value(one, sort.key), value(other, sort.key)]
    if (a !== b) {
      if (a === null) return 1
      if (b === null) return -1
      const order = typeof a === 'string' ? a.localeCompare(String(b)) : a - Number(b)
      if (order !== 0) return sort.down ? -order : order
    }
    return other.started - one.started || (one.id < other.id ? -1 : 1)
  })
}

/** Which rows of a long list are drawn, and where. */
export interface Visible {
  first: number
  last: number
}

/** Rows of `height` pixels that a viewport shows, with some beside them so that scrolling meets no blank. */
export function visible(rows: number, height: number, top: number, viewport: number, beside = 12): Visible {
  const first = Math.max(0, Math.floor(top / height) - beside)
  const last = Math.min(rows, Math.ceil((top + viewport) / height) + beside)
  return { first: Math.min(first, last), last }
}

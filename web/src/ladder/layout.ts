// Where everything of a ladder stands. Pure: a ladder and some wishes in, numbers out; whoever draws does only that.

import type { Arrow, Ladder, Lane } from '../types'

export interface Wishes {
  /** Pixels that the lanes share. */
  width: number
  /** Each transmission of a message, also the second. */
  repeats: boolean
  sdp: boolean
  /** Reports, logs and events as well as SIP. */
  reports: boolean
  colourBy: 'leg' | 'cseq' | 'outcome'
}

export interface PlacedLane {
  lane: Lane
  x: number
}

export interface Row {
  /** The arrow's number in the ladder. */
  arrow: number
  /** Its upper edge, and how much it takes. */
  y: number
  height: number
  /** Where its line is, from the upper edge of everything. */
  line: number
  x1: number
  x2: number
  /** From a lane to itself. */
  loop: boolean
  /** One of `COLOURS`, or an outcome. */
  colour: string
  /** How often the message was sent, where transmissions are drawn as one. */
  times: number
  /** What its description says; empty where it has none or nobody asked. */
  session: string
}

export interface Layout {
  lanes: PlacedLane[]
  rows: Row[]
  width: number
  height: number
}

export const ROW = 34
export const SESSION = 15
/** Below the line of an arrow: when others saw it. */
export const DELAY = 10
/** Lanes are never nearer than this: labels would run into each other. */
export const NEAREST_LANES = 144
/** Colours of legs or transactions; after the last comes the first again. */
export const COLOURS = 8
const LOOP = 26

export function layout(ladder: Ladder, wishes: Wishes): Layout {
  const arrows = ladder.arrows.map((arrow, number) => ({ arrow, number }))
  const times = new Map<number, number>()
  for (const { arrow } of arrows) {
    if (arrow.again_of !== null) times.set(arrow.again_of, (times.get(arrow.again_of) ?? 1) + 1)
  }
  const drawn = arrows.filter(({ arrow }) => {
    if (!wishes.repeats && arrow.again_of !== null) return false
    return wishes.reports || arrow.kind === 'request' || arrow.kind === 'response'
  })
  const used = usedLanes(
    ladder,
    drawn.map(({ arrow }) => arrow),
  )
  const between = Math.max(NEAREST_LANES, wishes.width / Math.max(1, used.length))
  const place = new Map(used.map((lane, index) => [lane, between * (index + 0.5)]))
  let y = 0
  const rows = drawn.map(({ arrow, number }) => {
    const session = wishes.sdp ? sessionText(arrow) : ''
    const x1 = place.get(arrow.from) ?? 0
    const loop = arrow.from === arrow.to
    // Where there is no description, the delay has room between this arrow and the next.
    const both = session && arrow.observed.length > 1 && !loop
    const height = ROW + (session ? SESSION : 0) + (both ? DELAY : 0)
    const row: Row = {
      arrow: number,
      y,
      height,
      line: y + ROW - 11,
      x1,
      x2: loop ? x1 + LOOP : (place.get(arrow.to) ?? 0),
      loop,
      colour: colour(arrow, wishes.colourBy),
      times: wishes.repeats ? 1 : (times.get(number) ?? 1),
      session,
    }
    y += height
    return row
  })
  return {
    lanes: used.flatMap((number) => {
      const lane = ladder.lanes[number]
      return lane ? [{ lane, x: place.get(number) ?? 0 }] : []
    }),
    rows,
    width: between * used.length,
    height: y,
  }
}

/** Lanes that an arrow touches, in their order: one that only hidden arrows touch is left out. */
function usedLanes(ladder: Ladder, arrows: Arrow[]): number[] {
  const touched = new Set(arrows.flatMap((arrow) => [arrow.from, arrow.to]))
  return ladder.lanes.map((_, number) => number).filter((number) => touched.has(number))
}

/** `10.0.0.1:4000  PCMA, PCMU  sendonly  hold`; what is usual is not said. */
export function sessionText(arrow: Arrow): string {
  const session = arrow.session
  if (!session) return ''
  const parts = [session.address ?? '', session.codecs.join(' ')]
  if (session.direction !== 'sendrecv') parts.push(session.direction)
  if (session.hold) parts.push('hold')
  return parts.filter((part) => part !== '').join('  ')
}

function colour(arrow: Arrow, by: Wishes['colourBy']): string {
  if (arrow.kind !== 'request' && arrow.kind !== 'response') return 'beside'
  switch (by) {
    case 'leg':
      return String((arrow.leg ?? 0) % COLOURS)
    case 'cseq':
      return String(((arrow.cseq?.[0] ?? 1) - 1) % COLOURS)
    case 'outcome':
      return outcome(arrow.status)
  }
}

function outcome(status: number | null): string {
  if (status === null) return 'asked'
  if (status < 200) return 'provisional'
  if (status < 300) return 'good'
  if (status < 400) return 'elsewhere'
  // Asking for credentials is part of a call that works.
  return status === 401 || status === 407 ? 'provisional' : 'bad'
}

/** What a row of pixels of the minimap stands for: refusals are seen before anything else. */
export function minimap(
  layout: Layout,
  height: number,
): { y: number; x1: number; x2: number; colour: string }[] {
  const lines = new Map<number, { y: number; x1: number; x2: number; colour: string }>()
  for (const row of layout.rows) {
    const y = Math.floor((row.line / Math.max(1, layout.height)) * height)
    const before = lines.get(y)
    if (before && (before.colour === 'bad' || row.colour !== 'bad')) continue
    lines.set(y, {
      y,
      x1: Math.min(row.x1, row.x2) / layout.width,
      x2: Math.max(row.x1, row.x2) / layout.width,
      colour: row.colour,
    })
  }
  return [...lines.values()]
}

/** The rows that a viewport shows, with some beside them; found by halving, as heights differ. */
export function visibleRows(
  rows: Row[],
  top: number,
  viewport: number,
  beside = 300,
): { first: number; last: number } {
  const first = firstBelow(rows, top - beside)
  const last = firstBelow(rows, top + viewport + beside)
  return { first, last: Math.min(rows.length, last + 1) }
}

/** The first row whose lower edge is below `y`. */
function firstBelow(rows: Row[], y: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const row = rows[middle]
    if (row && row.y + row.height <= y) low = middle + 1
    else high = middle
  }
  return low
}

/** `192.0.2.1:5060`, `[2001:db8::1]:5060`, or an address alone. */
export function laneLabel(lane: Lane): string {
  if (lane.address === null) return ''
  if (lane.port === null) return lane.address
  const address = lane.address.includes(':') ? `[${lane.address}]` : lane.address
  return `${address}:${String(lane.port)}`
}

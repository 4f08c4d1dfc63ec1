import { describe, expect, it } from 'vitest'
import type { Arrow, Ladder } from '../types'
import {
  DELAY,
  NEAREST_LANES,
  ROW,
  SESSION,
  type Wishes,
  laneLabel,
  layout,
  sessionText,
  visibleRows,
  minimap,
} from './layout'

const WISHES: Wishes = { width: 900, repeats: false, sdp: true, reports: true, colourBy: 'leg' }

function arrow(from: number, to: number, changes: Partial<Arrow> = {}): Arrow {
  return {
    from,
    to,
    leg: 0,
    kind: 'request',
    label: 'INVITE',
    status: null,
    cseq: [1, 'INVITE'],
    at: 0,
    adjusted: false,
    transmission: 0,
    again_of: null,
    observed: [],
    session: null,
    ...changes,
  }
}

function ladder(lanes: number, arrows: Arrow[]): Ladder {
  const lane = (number: number) => ({ address: `10.0.0.${String(number + 1)}`, port: 5060 })
  return {
    lanes: Array.from({ length: lanes }, (_, number) => lane(number)),
    legs: ['a'],
    arrows,
    corrections: [],
  }
}

const PCMA = { address: '10.0.0.1:4000', codecs: ['PCMA', 'PCMU'], direction: 'sendrecv', hold: false }

describe('lanes', () => {
  it('share the width', () => {
    const { lanes, width } = layout(ladder(3, [arrow(0, 1), arrow(1, 2)]), WISHES)
    expect(lanes.map((lane) => lane.x)).toEqual([150, 450, 750])
    expect(width).toBe(900)
  })

  it('are never too near, so that many make it wider', () => {
    const arrows = Array.from({ length: 9 }, (_, number) => arrow(number, number + 1))
    const { lanes, width } = layout(ladder(10, arrows), WISHES)
    expect((lanes[1]?.x ?? 0) - (lanes[0]?.x ?? 0)).toBe(NEAREST_LANES)
    expect(width).toBe(10 * NEAREST_LANES)
  })

  it('are left out where nothing that is drawn touches them', () => {
    const report = arrow(2, 2, { kind: 'report' })
    const { lanes } = layout(ladder(3, [arrow(0, 1), report]), { ...WISHES, reports: false })
    expect(lanes.map(({ lane }) => lane.address)).toEqual(['10.0.0.1', '10.0.0.2'])
  })

  it('of nothing are none', () => {
    expect(layout(ladder(0, []), WISHES)).toEqual({ lanes: [], rows: [], width: 0, height: 0 })
  })
})

describe('rows', () => {
  it('stand below each other, with room for a description', () => {
    const { rows, height } = layout(ladder(2, [arrow(0, 1, { session: PCMA }), arrow(1, 0)]), WISHES)
    expect(rows.map((row) => [row.y, row.height])).toEqual([
      [0, ROW + SESSION],
      [ROW + SESSION, ROW],
    ])
    expect(height).toBe(2 * ROW + SESSION)
    expect(rows[0]?.session).toBe('10.0.0.1:4000  PCMA PCMU')
    expect([rows[1]?.x1, rows[1]?.x2]).toEqual([675, 225])
  })

  it('have room for the delay of others below a description, but not in a loop', () => {
    const observed = [{}, {}] as Arrow['observed']
    const height = (one: Arrow) => layout(ladder(2, [one]), WISHES).height
    expect(height(arrow(0, 1, { session: PCMA, observed }))).toBe(ROW + SESSION + DELAY)
    expect(height(arrow(1, 1, { session: PCMA, observed }))).toBe(ROW + SESSION)
    expect(height(arrow(0, 1, { observed }))).toBe(ROW)
  })

  it('without descriptions are lower', () => {
    const { height } = layout(ladder(2, [arrow(0, 1, { session: PCMA })]), { ...WISHES, sdp: false })
    expect(height).toBe(ROW)
  })

  it('stand for all transmissions of a message, or for each', () => {
    const arrows = [arrow(0, 1), arrow(0, 1, { again_of: 0 }), arrow(1, 0), arrow(0, 1, { again_of: 0 })]
    const folded = layout(ladder(2, arrows), WISHES).rows
    expect(folded.map((row) => [row.arrow, row.times])).toEqual([
      [0, 3],
      [2, 1],
    ])
    const every = layout(ladder(2, arrows), { ...WISHES, repeats: true }).rows
    expect(every.map((row) => [row.arrow, row.times])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  })

  it('from a lane to itself are loops', () => {
    const [row] = layout(ladder(2, [arrow(1, 1), arrow(0, 1)]), WISHES).rows
    expect(row?.loop).toBe(true)
    expect(row && row.x2 > row.x1).toBe(true)
  })

  it.each([
    ['leg', arrow(0, 1, { leg: 9 }), '1'],
    ['cseq', arrow(0, 1, { cseq: [3, 'BYE'] }), '2'],
    ['outcome', arrow(0, 1), 'asked'],
    ['outcome', arrow(0, 1, { status: 183 }), 'provisional'],
    ['outcome', arrow(0, 1, { status: 200 }), 'good'],
    ['outcome', arrow(0, 1, { status: 302 }), 'elsewhere'],
    ['outcome', arrow(0, 1, { status: 407 }), 'provisional'],
    ['outcome', arrow(0, 1, { status: 503 }), 'bad'],
    ['leg', arrow(0, 1, { kind: 'log', leg: null }), 'beside'],
  ] as [Wishes['colourBy'], Arrow, string][])('coloured by %s', (colourBy, one, expected) => {
    expect(layout(ladder(2, [one]), { ...WISHES, colourBy }).rows[0]?.colour).toBe(expected)
  })
})

describe('what a viewport shows', () => {
  const arrows = Array.from({ length: 5_000 }, (_, number) =>
    arrow(0, 1, { session: number % 2 ? PCMA : null }),
  )
  const { rows } = layout(ladder(2, arrows), WISHES)

  it('is a few rows of five thousand, and all that can be seen', () => {
    for (const top of [0, 1_000, 99_999, 206_000]) {
      const { first, last } = visibleRows(rows, top, 800)
      expect(last - first).toBeLessThan(60)
      const seen = rows.filter((row) => row.y < top + 800 && row.y + row.height > top)
      for (const row of seen) expect(row.arrow >= first && row.arrow < last).toBe(true)
    }
  })
})

describe('words', () => {
  it.each([
    [null, ''],
    [PCMA, '10.0.0.1:4000  PCMA PCMU'],
    [{ address: null, codecs: [], direction: 'inactive', hold: true }, 'inactive  hold'],
  ])('of a description', (session, expected) => expect(sessionText(arrow(0, 1, { session }))).toBe(expected))

  it.each([
    [{ address: '10.0.0.1', port: 5060 }, '10.0.0.1:5060'],
    [{ address: '10.0.0.1', port: null }, '10.0.0.1'],
    [{ address: '2001:db8::1', port: 5060 }, '[2001:db8::1]:5060'],
    [{ address: null, port: null }, ''],
  ])('of a lane', (lane, expected) => expect(laneLabel(lane)).toBe(expected))
})

describe('the minimap', () => {
  it('shows refusals before anything else, one line for a row of pixels', () => {
    const row = (line: number, colour: string) => ({
      arrow: 0,
      y: line,
      height: 10,
      line,
      x1: 100,
      x2: 0,
      loop: false,
      colour,
      times: 1,
      session: '',
    })
    const rows = [row(0, '0'), row(1, 'bad'), row(2, '0'), row(90, '1')]
    const lines = minimap({ lanes: [], rows, width: 200, height: 100 }, 10)
    expect(lines).toEqual([
      { y: 0, x1: 0, x2: 0.5, colour: 'bad' },
      { y: 9, x1: 0, x2: 0.5, colour: '1' },
    ])
  })
})

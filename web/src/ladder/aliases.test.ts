import { describe, expect, it } from 'vitest'
import { aliasOf, merged } from './aliases'
import type { Arrow, Ladder } from '../types'

const lanes = [
  { address: '192.0.2.1', port: 5060 },
  { address: '192.0.2.2', port: 5060 },
  { address: '192.0.2.1', port: 5080 },
]
const ladder: Ladder = {
  lanes,
  legs: [],
  arrows: [
    { from: 0, to: 1 },
    { from: 1, to: 2 },
    { from: 2, to: 0 },
  ] as Arrow[],
  corrections: [],
}
const ends = (of: Ladder) => of.arrows.map(({ from, to }) => [from, to])

describe('aliases', () => {
  it('are of an address and port before they are of an address', () => {
    const aliases = { '192.0.2.1': 'proxy', '192.0.2.1:5080': 'pbx' }
    expect(lanes.map((lane) => aliasOf(lane, aliases))).toEqual(['proxy', undefined, 'pbx'])
  })

  it('put lanes of one name together', () => {
    const one = merged(ladder, { '192.0.2.1': 'proxy' })
    expect(one.lanes).toEqual(lanes.slice(0, 2))
    expect(ends(one)).toEqual([
      [0, 1],
      [1, 0],
      [0, 0],
    ])
    expect(merged(ladder, { '192.0.2.2': 'x' })).toBe(ladder)
  })
})

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

  const first = { address: '192.0.2.1', port: null }
  it.each([
    ['of one address', {}, [first, lanes[1]], [0, 1, 0]],
    ['of one name for both ports', { '192.0.2.1': 'proxy' }, [first, lanes[1]], [0, 1, 0]],
    [
      'of one name for two addresses',
      { '192.0.2.1:5080': 'b', '192.0.2.2': 'b' },
      [lanes[0], lanes[1]],
      [0, 1, 1],
    ],
  ])('put lanes %s together', (_, aliases, wanted, [a, b, c]) => {
    const one = merged(ladder, aliases)
    expect(one.lanes).toEqual(wanted)
    expect(ends(one)).toEqual([
      [a, b],
      [b, c],
      [c, a],
    ])
  })

  it('leave alone what is apart', () => {
    const apart = { '192.0.2.1:5060': 'a', '192.0.2.1:5080': 'b' }
    expect(merged(ladder, apart)).toBe(ladder)
  })
})

// Names that an operator gives to hosts. Lanes of one host are one lane, where that is wished.

import { laneLabel } from './layout'
import type { Ladder, Lane } from '../types'

/** Names by address, or by address and port, which goes before. */
export type Aliases = Record<string, string>

/** The name of a lane; nothing where it has none. */
export function aliasOf(lane: Lane, aliases: Aliases): string | undefined {
  return aliases[laneLabel(lane)] ?? (lane.address === null ? undefined : aliases[lane.address])
}

/** The same ladder with lanes of one name put together, and those of one address that have no name. */
export function merged(ladder: Ladder, aliases: Aliases): Ladder {
  const lanes: Lane[] = []
  const byHost = new Map<string, number>()
  const places = ladder.lanes.map((lane) => {
    const name = aliasOf(lane, aliases)
    const host = name === undefined ? `address ${lane.address ?? ''}` : `name ${name}`
    const known = byHost.get(host)
    if (known !== undefined) {
      // What has several ports is called by its address.
      const first = lanes[known]
      if (first && first.address === lane.address) lanes[known] = { ...first, port: null }
      return known
    }
    lanes.push(lane)
    byHost.set(host, lanes.length - 1)
    return lanes.length - 1
  })
  if (lanes.length === ladder.lanes.length) return ladder
  const place = (lane: number) => places[lane] ?? lane
  return {
    ...ladder,
    lanes,
    arrows: ladder.arrows.map((arrow) => ({ ...arrow, from: place(arrow.from), to: place(arrow.to) })),
  }
}

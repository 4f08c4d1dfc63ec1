// What stands in the list of calls.

import { settings } from '../state/settings.svelte'
import type { SortKey } from './order'

export interface Column {
  id: string
  /** Pixels; what `grow` columns have at least. */
  width: number
  grow?: boolean
  end?: boolean
  sort?: SortKey
  /** Not shown unless asked for. */
  spare?: boolean
}

export const COLUMNS: Column[] = [
  { id: 'state', width: 92, sort: 'state' },
  { id: 'started', width: 112, sort: 'started' },
  { id: 'from', width: 114, grow: true, sort: 'from' },
  { id: 'to', width: 114, grow: true, sort: 'to' },
  { id: 'code', width: 150, grow: true, sort: 'code' },
  { id: 'setup', width: 64, end: true, sort: 'setup' },
  { id: 'ring', width: 72, end: true, spare: true },
  { id: 'talk', width: 64, end: true, sort: 'talk' },
  { id: 'duration', width: 78, end: true, sort: 'duration', spare: true },
  { id: 'released', width: 88, spare: true },
  { id: 'codec', width: 64 },
  { id: 'legs', width: 36, end: true },
  { id: 'messages', width: 44, end: true, sort: 'messages' },
  { id: 'agents', width: 124 },
  { id: 'flags', width: 132, grow: true },
]

export function shown(): Column[] {
  const chosen = settings.columns.length > 0 ? settings.columns : null
  return COLUMNS.filter((column) => (chosen ? chosen.includes(column.id) : !column.spare))
}

export function toggle(id: string) {
  const now = shown().map((column) => column.id)
  const next = now.includes(id) ? now.filter((other) => other !== id) : [...now, id]
  // The last one stays: an empty table says nothing.
  if (next.length > 0) settings.columns = next
}

/** The columns as CSS lays a grid out. */
export function template(columns: Column[]): string {
  return columns
    .map((column) => {
      const given = settings.widths[column.id]
      if (given !== undefined) return `${String(given)}px`
      const width = `${String(column.width)}px`
      return column.grow ? `minmax(${width}, ${String(column.width)}fr)` : width
    })
    .join(' ')
}

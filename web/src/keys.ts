// Every key, in one table: what is pressed, where it means something, and what it does there. `?` shows it.

export type Where = 'everywhere' | 'list' | 'ladder' | 'screen'

export interface Key {
  keys: string[]
  where: Where
  action: string
  says: string
}

export const KEYS: Key[] = [
  { keys: ['?'], where: 'everywhere', action: 'help', says: 'show the keys' },
  { keys: ['F2'], where: 'everywhere', action: 'palette', says: 'every command (also Ctrl-K)' },
  { keys: ['1'], where: 'everywhere', action: 'screen:calls', says: 'the calls' },
  { keys: ['2'], where: 'everywhere', action: 'screen:overview', says: 'the overview' },
  { keys: ['3'], where: 'everywhere', action: 'screen:agents', says: 'agents, destinations, the ledger' },
  { keys: ['4'], where: 'everywhere', action: 'screen:registrations', says: 'the registrations' },
  { keys: ['5'], where: 'everywhere', action: 'screen:access', says: 'links and the audit log' },
  { keys: ['/', 'f', 'F3'], where: 'everywhere', action: 'search', says: 'write a query' },
  { keys: ['Escape'], where: 'everywhere', action: 'back', says: 'back, or close' },
  { keys: ['t'], where: 'everywhere', action: 'theme', says: 'light, dark, as the system' },
  { keys: ['z'], where: 'everywhere', action: 'zone', says: 'local time or UTC' },
  { keys: ['j', 'ArrowDown'], where: 'list', action: 'next', says: 'next call' },
  { keys: ['k', 'ArrowUp'], where: 'list', action: 'previous', says: 'call before' },
  { keys: ['PageDown'], where: 'list', action: 'pageDown', says: 'a page down' },
  { keys: ['PageUp'], where: 'list', action: 'pageUp', says: 'a page up' },
  { keys: ['g', 'Home'], where: 'list', action: 'first', says: 'first call' },
  { keys: ['G', 'End'], where: 'list', action: 'last', says: 'last call that is loaded' },
  { keys: ['Enter', 'l'], where: 'list', action: 'open', says: 'open its ladder' },
  { keys: ['p'], where: 'list', action: 'pause', says: 'pause, or follow what happens' },
  { keys: ['d'], where: 'list', action: 'dense', says: 'dense rows' },
  { keys: ['j', 'ArrowDown'], where: 'ladder', action: 'next', says: 'next message' },
  { keys: ['k', 'ArrowUp'], where: 'ladder', action: 'previous', says: 'message before' },
  { keys: ['PageDown'], where: 'ladder', action: 'pageDown', says: 'ten messages on' },
  { keys: ['PageUp'], where: 'ladder', action: 'pageUp', says: 'ten messages back' },
  { keys: ['g', 'Home'], where: 'ladder', action: 'first', says: 'first message' },
  { keys: ['G', 'End'], where: 'ladder', action: 'last', says: 'last message' },
  { keys: [' '], where: 'ladder', action: 'mark', says: 'mark; on another message: compare' },
  { keys: ['d'], where: 'ladder', action: 'sdp', says: 'descriptions under arrows' },
  { keys: ['m'], where: 'ladder', action: 'reports', says: 'reports, logs and events' },
  {
    keys: ['s'],
    where: 'ladder',
    action: 'lanes',
    says: 'columns by address and port, by address, or by name',
  },
  { keys: ['w'], where: 'ladder', action: 'times', says: 'clock, since the one before, since the first' },
  { keys: ['x'], where: 'ladder', action: 'repeats', says: 'each transmission, or together' },
  { keys: ['c'], where: 'ladder', action: 'colour', says: 'colour by leg, CSeq or outcome' },
  { keys: ['e'], where: 'ladder', action: 'explain', says: 'why it went as it did' },
  { keys: ['q'], where: 'ladder', action: 'quality', says: 'quality, or the message' },
  { keys: ['o'], where: 'ladder', action: 'export', says: 'export' },
  { keys: ['r'], where: 'ladder', action: 'raw', says: 'the message as received' },
  { keys: ['y'], where: 'ladder', action: 'copy', says: 'copy the message' },
  { keys: ['h'], where: 'ladder', action: 'back', says: 'back to the calls' },
]

const NAMES: Record<string, string> = {
  ' ': 'Space',
  Escape: 'Esc',
  ArrowDown: '↓',
  ArrowUp: '↑',
  PageDown: 'PgDn',
  PageUp: 'PgUp',
}

export const keyName = (key: string) => NAMES[key] ?? key

/** What a key means at a place; nothing where it means nothing. */
export function action(key: string, where: Where): string | undefined {
  const found = (at: Where) => KEYS.find((one) => one.where === at && one.keys.includes(key))
  return (found(where) ?? found('everywhere'))?.action
}

// Every key, in one table: what is pressed, where it means something, and what it does there. `?` shows it.

import { KEY_WORDS } from './text'

export type Where = 'everywhere' | 'list' | 'ladder' | 'screen'

export interface Key {
  keys: string[]
  where: Where
  action: string
}

export const KEYS: Key[] = [
  { keys: ['?'], where: 'everywhere', action: 'help' },
  { keys: ['F2'], where: 'everywhere', action: 'palette' },
  { keys: ['1'], where: 'everywhere', action: 'screen:calls' },
  { keys: ['2'], where: 'everywhere', action: 'screen:overview' },
  { keys: ['3'], where: 'everywhere', action: 'screen:agents' },
  { keys: ['4'], where: 'everywhere', action: 'screen:registrations' },
  { keys: ['5'], where: 'everywhere', action: 'screen:access' },
  { keys: ['/', 'f', 'F3'], where: 'everywhere', action: 'search' },
  { keys: ['Escape'], where: 'everywhere', action: 'back' },
  { keys: ['t'], where: 'everywhere', action: 'theme' },
  { keys: ['z'], where: 'everywhere', action: 'zone' },
  { keys: ['T'], where: 'everywhere', action: 'test' },
  { keys: ['j', 'ArrowDown'], where: 'list', action: 'next' },
  { keys: ['k', 'ArrowUp'], where: 'list', action: 'previous' },
  { keys: ['PageDown'], where: 'list', action: 'pageDown' },
  { keys: ['PageUp'], where: 'list', action: 'pageUp' },
  { keys: ['g', 'Home'], where: 'list', action: 'first' },
  { keys: ['G', 'End'], where: 'list', action: 'last' },
  { keys: ['Enter', 'l'], where: 'list', action: 'open' },
  { keys: ['p'], where: 'list', action: 'pause' },
  { keys: ['d'], where: 'list', action: 'dense' },
  { keys: ['n'], where: 'list', action: 'release' },
  { keys: ['a'], where: 'list', action: 'all' },
  { keys: ['v'], where: 'list', action: 'columns' },
  { keys: ['<'], where: 'list', action: 'sortBefore' },
  { keys: ['>'], where: 'list', action: 'sortAfter' },
  { keys: ['i'], where: 'list', action: 'sortTurn' },
  { keys: ['b'], where: 'list', action: 'save' },
  { keys: ['j', 'ArrowDown'], where: 'ladder', action: 'next' },
  { keys: ['k', 'ArrowUp'], where: 'ladder', action: 'previous' },
  { keys: ['PageDown'], where: 'ladder', action: 'pageDown' },
  { keys: ['PageUp'], where: 'ladder', action: 'pageUp' },
  { keys: ['g', 'Home'], where: 'ladder', action: 'first' },
  { keys: ['G', 'End'], where: 'ladder', action: 'last' },
  { keys: [' '], where: 'ladder', action: 'mark' },
  { keys: ['d'], where: 'ladder', action: 'sdp' },
  { keys: ['m'], where: 'ladder', action: 'reports' },
  { keys: ['s'], where: 'ladder', action: 'lanes' },
  { keys: ['w'], where: 'ladder', action: 'times' },
  { keys: ['x'], where: 'ladder', action: 'repeats' },
  { keys: ['c'], where: 'ladder', action: 'colour' },
  { keys: ['e'], where: 'ladder', action: 'explain' },
  { keys: ['q'], where: 'ladder', action: 'quality' },
  { keys: ['o'], where: 'ladder', action: 'export' },
  { keys: ['r'], where: 'ladder', action: 'raw' },
  { keys: ['y'], where: 'ladder', action: 'copy' },
  { keys: ['h'], where: 'ladder', action: 'back' },
  { keys: ['n'], where: 'ladder', action: 'find' },
  { keys: ['v'], where: 'ladder', action: 'tab' },
]

/** What a key does, in words. */
export const keySays = (key: Key) => KEY_WORDS[`${key.where} ${key.action}`] ?? key.action

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

// What can be done at a place, as the palette lists it: everything that has a key.

import { KEYS, type Where, keySays } from '../keys'

export interface Command {
  action: string
  says: string
  keys: string[]
}

/** Commands at a place; what is meant there comes first. */
export function commandsAt(where: Where): Command[] {
  const of = (at: Where) => KEYS.filter((key) => key.where === at)
  const keyed = [...(where === 'everywhere' ? [] : of(where)), ...of('everywhere')].map((key) => ({
    action: key.action,
    says: keySays(key),
    keys: key.keys,
  }))
  // What a place means by an action comes before what it means elsewhere.
  const once = keyed.filter(({ action }, at) => keyed.findIndex((one) => one.action === action) === at)
  return once
}

/** Commands in which each word stands, in any order. */
export function fitting(commands: Command[], words: string): Command[] {
  const parts = words.toLowerCase().split(/\s+/)
  return commands.filter((command) => parts.every((part) => command.says.toLowerCase().includes(part)))
}

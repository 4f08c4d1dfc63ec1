import { describe, expect, it } from 'vitest'
import { commandsAt, fitting } from './commands'
import { KEYS } from '../keys'

describe('the palette', () => {
  it('has every action of a place once', () => {
    const commands = commandsAt('ladder')
    const actions = commands.map((command) => command.action)
    expect(new Set(actions).size).toBe(actions.length)
    for (const key of KEYS) if (key.where !== 'list') expect(actions).toContain(key.action)
    expect(actions).toContain('screen:overview')
  })

  it('finds by words in any order', () => {
    const found = fitting(commandsAt('list'), 'local UTC')
    expect(found.map((command) => command.action)).toEqual(['zone'])
    expect(fitting(commandsAt('list'), 'no such thing')).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { KEY_WORDS } from './text'
import { KEYS, action, keySays } from './keys'

describe('keys', () => {
  it('mean one thing at a place', () => {
    for (const where of ['everywhere', 'list', 'ladder'] as const) {
      const keys = KEYS.filter((key) => key.where === where).flatMap((key) => key.keys)
      expect(new Set(keys).size).toBe(keys.length)
    }
  })

  it('are all said in words', () => {
    for (const key of KEYS) expect(KEY_WORDS).toHaveProperty([`${key.where} ${key.action}`], keySays(key))
  })

  it('mean at a place what they mean there, else what they mean everywhere', () => {
    expect(action('d', 'list')).toBe('dense')
    expect(action('d', 'ladder')).toBe('sdp')
    expect(action('?', 'ladder')).toBe('help')
    expect(action('#', 'list')).toBeUndefined()
  })
})

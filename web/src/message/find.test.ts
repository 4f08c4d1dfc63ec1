import { describe, expect, it } from 'vitest'
import { finder } from './find'

describe('what is looked for', () => {
  it.each([
    ['tag=', 'From: <sip:a@b>;TAG=1', true],
    [' via ', 'Via: SIP/2.0/UDP a', true],
    ['via: x', 'Via: SIP/2.0/UDP a', false],
    ['', 'anything', false],
    ['  ', 'a  b', false],
  ])('%j in %j: %s', (words, shown, found) => expect(finder(words)(shown)).toBe(found))
})

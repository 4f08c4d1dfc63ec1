import { describe, expect, it } from 'vitest'
import { complete, has, toggled } from './complete'

const labels = (text: string, caret = text.length) => complete(text, caret).offers.map((offer) => offer.label)
const chosen = (text: string) => {
  const { from, offers } = complete(text, text.length)
  return text.slice(0, from) + (offers[0]?.insert ?? '')
}

describe('completion', () => {
  it.each([
    ['sta', ['state', 'status']],
    ['user:alice re', ['released_by', 'reason']],
    ['state:f', ['failed']],
    ['released_by:', ['caller', 'callee', 'both']],
    ['state:(failed, ca', ['cancelled']],
    ['nosuch:', []],
    ['"state', []],
    ['', []],
    ['user:alice ', []],
  ])('%s', (text, expected) => expect(labels(text)).toEqual(expected))

  it.each([
    ['user:alice -stat', 'user:alice -state:'],
    ['setu', 'setup>'],
    ['(flag:one', '(flag:one_way'],
    ['state!=fai', 'state!=failed'],
  ])('%s becomes %s', (text, expected) => expect(chosen(text)).toBe(expected))

  it('looks at what is before the caret only', () => {
    expect(labels('sta user:x', 3)).toEqual(['state', 'status'])
  })
})

describe('chips', () => {
  it('add a condition and take it away', () => {
    expect(toggled('user:a', 'state:failed')).toBe('user:a state:failed')
    expect(toggled('state:failed user:a', 'state:failed')).toBe('user:a')
    expect(has('user:a state:failed', 'state:failed')).toBe(true)
    expect(has('-state:failed', 'state:failed')).toBe(false)
  })
})

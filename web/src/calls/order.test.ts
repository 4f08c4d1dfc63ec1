import { describe, expect, it } from 'vitest'
import type { Call } from '../types'
import {
  NEWEST,
  type Sort,
  forget,
  leavesGap,
  readSort,
  sortBy,
  sorted,
  take,
  visible,
  writeSort,
} from './order'

function call(id: string, changes: Partial<Call> = {}): Call {
  const party = { user: id, host: null, display: null }
  return {
    id,
    kind: 'call',
    state: 'ended',
    started: 0,
    last: 0,
    answered: null,
    ended: null,
    setup_us: null,
    ring_us: null,
    talk_us: null,
    duration_us: null,
    released_by: null,
    final_code: null,
    final_phrase: null,
    reason: null,
    from: party,
    to: party,
    codec: null,
    messages: 0,
    retransmissions: 0,
    duplicates: 0,
    flags: [],
    agents: [],
    legs: [],
    links: [],
    closed: null,
    ...changes,
  }
}

describe('the order in the address', () => {
  it.each<[string, Sort]>([
    ['', NEWEST],
    ['started', { key: 'started', down: false }],
    ['setup', { key: 'setup', down: false }],
    ['-from', { key: 'from', down: true }],
  ])('%j reads and writes', (words, sort) => {
    expect(readSort(words)).toEqual(sort)
    expect(writeSort(sort)).toBe(words)
  })

  it('is the usual one where it makes no sense', () => expect(readSort('-nothing')).toEqual(NEWEST))

  it('is turned round by the column that it is by', () => {
    expect(sortBy(NEWEST, 'setup')).toEqual({ key: 'setup', down: false })
    expect(sortBy({ key: 'setup', down: false }, 'setup')).toEqual({ key: 'setup', down: true })
    expect(sortBy({ key: 'setup', down: false }, 'started')).toEqual(NEWEST)
  })
})

describe('taking calls in', () => {
  it('tells new ones from changed ones, and keeps what is later', () => {
    const known = new Map<string, Call>()
    expect(take(known, [call('a', { last: 5 }), call('b')])).toEqual(['a', 'b'])
    expect(take(known, [call('a', { last: 4, state: 'setup' }), call('c')])).toEqual(['c'])
    expect(known.get('a')?.state).toBe('ended')
    take(known, [call('a', { last: 6, state: 'failed' })])
    expect(known.get('a')?.state).toBe('failed')
  })
})

describe('a gap', () => {
  const page = [call('open'), call('a', { closed: 'over' }), call('b', { closed: 'over' })]
  it.each([
    [['open', 'a', 'b'], true],
    [['a', 'b'], true],
    [['a'], false],
    [[], false],
  ])('with %s new is %s', (fresh, gap) => expect(leavesGap(page, fresh)).toBe(gap))

  it('is not where nothing is closed', () => expect(leavesGap([call('open')], ['open'])).toBe(false))
})

describe('letting go', () => {
  it('concerns what was open and fits no longer', () => {
    const known = new Map<string, Call>()
    take(known, [
      call('a', { started: 9 }),
      call('b', { started: 8 }),
      call('c', { started: 1 }),
      call('d', { started: 9, closed: 'over' }),
    ])
    forget(known, [call('b', { started: 5 })])
    expect([...known.keys()]).toEqual(['b', 'c', 'd'])
  })
})

describe('order', () => {
  const calls = [
    call('x', { started: 1, setup_us: 30, final_code: 486 }),
    call('y', { started: 3, setup_us: null, final_code: 200 }),
    call('z', { started: 2, setup_us: 10, final_code: 200 }),
  ]
  const order = (sort: Sort) =>
    sorted(calls, sort)
      .map((one) => one.id)
      .join('')

  it.each([
    [NEWEST, 'yzx'],
    [{ key: 'started', down: false }, 'xzy'],
    [{ key: 'setup', down: true }, 'xzy'],
    [{ key: 'setup', down: false }, 'zxy'],
    [{ key: 'code', down: false }, 'yzx'],
    [{ key: 'from', down: true }, 'zyx'],
  ] as [Sort, string][])('%o', (sort, expected) => expect(order(sort)).toBe(expected))
})

describe('what is drawn of a long list', () => {
  it.each([
    [1_000_000, 0, { first: 0, last: 42 }],
    [1_000_000, 20_000, { first: 988, last: 1042 }],
    [10, 0, { first: 0, last: 10 }],
    [0, 500, { first: 0, last: 0 }],
    [1_000, 19_900, { first: 983, last: 1_000 }],
  ])('%s rows at %s', (rows, top, expected) => {
    expect(visible(rows, 20, top, 600)).toEqual(expected)
  })
})

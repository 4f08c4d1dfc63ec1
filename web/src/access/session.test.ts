import { describe, expect, it } from 'vitest'
import { linkOf } from './session.svelte'

describe('a link in the address', () => {
  it.each([
    ['#link=hcl_00ff_0000000068_aa', 'hcl_00ff_0000000068_aa'],
    ['', null],
    ['#link=', null],
    ['#link=hcs_00ff', null],
    ['#link=hcl_00ff"><script>', null],
    ['#other=hcl_00ff', null],
  ])('%s', (hash, expected) => expect(linkOf(hash)).toBe(expected))
})

import { describe, expect, it } from 'vitest'
import { LANES, type Look, USUAL, following, lasting, readLook, writeLook } from './look'

describe('how a call is shown', () => {
  const cases: [string, Partial<Look>][] = [
    ['', {}],
    ['address', { lanes: 'address' }],
    ['merged,delta,outcome', { lanes: 'merged', times: 'delta', colourBy: 'outcome' }],
    ['no-sdp,no-reports,repeats', { sdp: false, reports: false, repeats: true }],
    ['quality,hep,octets', { quality: true, tab: 'hep', form: 'octets' }],
  ]
  it.each(cases)('%j reads and writes', (words, differs) => {
    expect(readLook(words)).toEqual({ ...USUAL, ...differs })
    expect(writeLook({ ...USUAL, ...differs })).toBe(words)
  })

  it('passes over what is no word of it', () => {
    expect(readLook('constructor,toString,,hep')).toEqual({ ...USUAL, tab: 'hep' })
  })

  it('is kept for the next call but for what belongs to this one', () => {
    expect(lasting(readLook('alias,no-sdp,repeats,quality,seen,raw'))).toEqual(readLook('alias,no-sdp'))
  })

  it('goes round', () => {
    const round = LANES.map((lanes) => following(LANES, lanes))
    expect(round).toEqual(['address', 'alias', 'merged', 'address_port'])
  })
})

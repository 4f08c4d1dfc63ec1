import { describe, expect, it } from 'vitest'
import { type Listener, pointing } from './agents'

const udp: Listener = { name: 'u', address: '0.0.0.0:9060', transport: 'udp' }
const tcp: Listener = { name: 't', address: '[::]:9061', transport: 'tcp' }

describe('where agents are pointed', () => {
  it.each<[string, Listener[], string, string]>([
    ['where the page is', [udp], 'capture.example', 'capture.example:9060'],
    ['to the one for datagrams', [tcp, udp], '10.0.0.1', '10.0.0.1:9060'],
    ['to the other where there is none', [tcp], '[2001:db8::1]', '[2001:db8::1]:9061'],
    [
      'to the address that is listened at',
      [{ ...udp, address: '10.9.9.9:19060' }],
      '127.0.0.1',
      '10.9.9.9:19060',
    ],
    ['to the usual port where nothing is known', [], 'here', 'here:9060'],
  ])('%s', (_, listeners, hostname, where) => {
    const found = pointing(listeners, hostname)
    expect(found.where).toBe(where)
    for (const [, line] of found.lines) expect(line).toContain(where)
  })

  it('has lines for four programs where there are datagrams, else for the one that does without', () => {
    const names = (listeners: Listener[]) => pointing(listeners, 'h').lines.map(([name]) => name)
    expect(names([udp])).toEqual(['OpenSIPS', 'Kamailio', 'FreeSWITCH', 'Asterisk'])
    expect(names([tcp])).toEqual(['OpenSIPS'])
    expect(pointing([tcp], 'h').lines[0]?.[1]).toContain('transport=tcp')
  })
})

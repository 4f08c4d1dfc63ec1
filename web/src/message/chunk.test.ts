import { describe, expect, it } from 'vitest'
import { explain } from './chunk'
import type { Chunk, Message } from '../types'

const message = { protocol_name: 'sip' } as Message

describe('a chunk', () => {
  it.each<[Partial<Chunk>, string]>([
    [{ name: 'ip_family', value: 2 }, 'family of the addresses: IPv4'],
    [{ name: 'ip_family', value: 77 }, 'family of the addresses'],
    [{ name: 'ip_protocol', value: 17 }, 'what carried it: UDP'],
    [{ name: 'protocol_type', value: 1 }, 'what the payload is: sip'],
    [{ name: 'time_sec', value: 1_795_491_953 }, 'when it was captured: 2026-11-24 03:45:53'],
    [{ name: 'time_sec' }, 'when it was captured'],
    [{ name: 'payload', length: 709 }, 'what was captured: 703 B'],
    [{ name: 'payload', length: 2 }, 'what was captured: 0 B'],
    [{ vendor: 3, name: 'ip_family', value: 2 }, 'OpenSIPS'],
    [{ type: 999 }, ''],
  ])('%j', (chunk, says) => {
    expect(explain({ offset: 6, vendor: 0, type: 1, length: 7, ...chunk }, message, true)).toBe(says)
  })
})

// A chunk of a HEP frame in words.

import { CHUNK_WORDS } from '../text'
import { full } from '../time'
import type { Chunk, Message } from '../types'

/** Octets of a chunk in front of its value: vendor, type, length. */
const HEAD = 6
/** Address families as agents write them: those of Linux, and of IANA for IPv6. */
const FAMILIES: Record<number, string> = { 2: 'IPv4', 10: 'IPv6', 28: 'IPv6', 30: 'IPv6' }
/** Protocol numbers of IANA. */
const PROTOCOLS: Record<number, string> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' }
/** Vendors of HEP3 rev. 37. */
const VENDORS: Record<number, string> = {
  1: 'FreeSWITCH',
  2: 'Kamailio/SER',
  3: 'OpenSIPS',
  4: 'Asterisk',
  5: 'Homer',
  6: 'SipXecs',
  7: 'Yeti',
  8: 'Genesys',
}

/** What the chunk is, and what its value means. */
export function explain(chunk: Chunk, message: Message, utc: boolean): string {
  const what = chunk.vendor === 0 ? (CHUNK_WORDS[chunk.name ?? ''] ?? '') : (VENDORS[chunk.vendor] ?? '')
  const means = meaning(chunk, message, utc)
  return [what, means].filter((part) => part !== '').join(': ')
}

function meaning(chunk: Chunk, message: Message, utc: boolean): string {
  if (chunk.vendor !== 0) return ''
  const number = typeof chunk.value === 'number' ? chunk.value : -1
  switch (chunk.name) {
    case 'ip_family':
      return FAMILIES[number] ?? ''
    case 'ip_protocol':
      return PROTOCOLS[number] ?? ''
    case 'protocol_type':
      return message.protocol_name ?? ''
    case 'time_sec':
      return number < 0 ? '' : full(number * 1_000_000, utc).slice(0, 19)
    case 'payload':
    case 'compressed_payload':
      return `${String(Math.max(0, chunk.length - HEAD))} B`
    default:
      return ''
  }
}

// A session description in words (RFC 8866, as far as telephony uses it).

import { SESSION_WORDS as words } from '../text'

export interface Explained {
  line: string
  says: string
}

/** Payload types that have a meaning without `rtpmap` (RFC 3551 §6). */
const STATIC: Record<string, string> = {
  0: 'PCMU',
  3: 'GSM',
  4: 'G723',
  8: 'PCMA',
  9: 'G722',
  13: 'CN',
  18: 'G729',
}

/** Each line of a body that is a description, and what it means. Nothing where it is none. */
export function explain(body: string): Explained[] {
  const lines = body.split(/\r?\n/).filter((line) => line !== '')
  if (!lines.some((line) => line.startsWith('m='))) return []
  const names = new Map<string, string>()
  for (const line of lines) {
    const [, type, name] = /^a=rtpmap:(\d+) ([^/\s]+)/.exec(line) ?? []
    if (type !== undefined && name !== undefined) names.set(type, name)
  }
  const codec = (type: string) => names.get(type) ?? STATIC[type] ?? words.type(type)
  return lines.map((line) => ({ line, says: meaning(line, codec) }))
}

function meaning(line: string, codec: (type: string) => string): string {
  const value = line.slice(2)
  const parts = value.trim().split(/\s+/)
  switch (line.slice(0, 2)) {
    case 'o=':
      return words.origin(parts[1] ?? '', parts[2] ?? '')
    case 'c=':
      return parts[2] === '0.0.0.0' ? words.noAddress : words.address(parts[2] ?? '')
    case 'm=': {
      const [kind, port, profile, ...formats] = parts
      if (port === '0') return words.off(kind ?? '')
      const names = (profile ?? '').includes('RTP') ? formats.map(codec).join(', ') : formats.join(' ')
      return words.media(kind ?? '', port ?? '', names, /SAVP/.test(profile ?? ''))
    }
    case 'b=':
      return words.bandwidth
    case 't=':
      return value === '0 0' ? words.endless : words.times
    case 's=':
      return words.name
    case 'v=':
      return words.version
    case 'a=':
      return attribute(value, codec)
    default:
      return ''
  }
}

function attribute(value: string, codec: (type: string) => string): string {
  const [name = '', rest = ''] = value.split(/:(.*)/s)
  if (name === 'rtpmap') {
    const [type = '', format = ''] = rest.split(' ')
    const [codecName = '', rate] = format.split('/')
    return words.codec(type, codecName, rate)
  }
  if (name === 'fmtp') return words.parameters(codec(rest.split(' ')[0] ?? ''))
  return words.attributes[name] ?? ''
}

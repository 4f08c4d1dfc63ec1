// A session description in words (RFC 8866, as far as telephony uses it).

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

const ATTRIBUTES: Record<string, string> = {
  sendrecv: 'media may flow both ways',
  sendonly: 'it only sends: the other side is on hold, or listens',
  recvonly: 'it only receives',
  inactive: 'no media either way',
  'rtcp-mux': 'RTCP shares the port of the media',
  ptime: 'milliseconds of sound in a packet',
  maxptime: 'most milliseconds of sound in a packet',
  setup: 'who opens the DTLS connection',
  fingerprint: 'digest of the certificate for DTLS',
  crypto: 'key for SRTP',
  candidate: 'an address that ICE may try',
  'ice-ufrag': 'user name of ICE',
  'ice-pwd': 'password of ICE',
  rtcp: 'where RTCP goes',
  fmtp: 'parameters of a payload type',
  mid: 'name of this media',
  label: 'label of this media',
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
  const codec = (type: string) => names.get(type) ?? STATIC[type] ?? `payload type ${type}`
  return lines.map((line) => ({ line, says: meaning(line, codec) }))
}

function meaning(line: string, codec: (type: string) => string): string {
  const value = line.slice(2)
  const words = value.trim().split(/\s+/)
  switch (line.slice(0, 2)) {
    case 'o=':
      return `session ${words[1] ?? ''}, version ${words[2] ?? ''}`
    case 'c=':
      return words[2] === '0.0.0.0' ? 'no address: the other side is on hold' : `media to ${words[2] ?? ''}`
    case 'm=': {
      const [kind, port, profile, ...formats] = words
      if (port === '0') return `${kind ?? ''} is refused or switched off`
      const names = (profile ?? '').includes('RTP') ? formats.map(codec).join(', ') : formats.join(' ')
      const secured = /SAVP/.test(profile ?? '') ? ', encrypted' : ''
      return `${kind ?? ''} to port ${port ?? ''}: ${names}${secured}`
    }
    case 'b=':
      return 'bandwidth'
    case 't=':
      return value === '0 0' ? 'without an end' : 'from when to when'
    case 's=':
      return 'name of the session'
    case 'v=':
      return 'version of the format'
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
    return `${type} is ${codecName}${rate ? ` at ${rate} Hz` : ''}`
  }
  if (name === 'fmtp') return `parameters of ${codec(rest.split(' ')[0] ?? '')}`
  return ATTRIBUTES[name] ?? ''
}

// SIP as text: lines with what they are, so that they can be coloured, folded and compared. It explains and never
// refuses: what is not as it should be is text.

export interface Line {
  kind: 'start' | 'field' | 'blank' | 'body'
  /** Name of a header field as written; letter of a line of SDP. */
  name: string
  /** What follows it, or the whole line. */
  value: string
  /** The name as all forms of it are written: lower case and long. */
  key: string
}

export interface SipText {
  lines: Line[]
  isSip: boolean
}

const COMPACT: Record<string, string> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  n: 'identity-info',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
}

export function keyOf(name: string): string {
  const lower = name.trim().toLowerCase()
  return COMPACT[lower] ?? lower
}

/** Splits at line ends; a field that goes on in the next line is one. */
export function read(payload: string): SipText {
  const raw = payload.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
  const first = raw[0] ?? ''
  const isSip = / SIP\/2\.0$/i.test(first) || /^SIP\/2\.0 /i.test(first)
  if (!isSip) return { isSip, lines: raw.map((line) => ({ kind: 'body', name: '', value: line, key: '' })) }
  const lines: Line[] = [{ kind: 'start', name: '', value: first, key: '' }]
  let inBody = false
  raw.slice(1).forEach((line, index) => {
    if (inBody) {
      // What ends the last line is no line of its own.
      if (line !== '' || index < raw.length - 2) lines.push(bodyLine(line))
    } else if (line === '') {
      inBody = true
      lines.push({ kind: 'blank', name: '', value: '', key: '' })
    } else if (/^[ \t]/.test(line) && lines.length > 1) {
      const last = lines[lines.length - 1]
      if (last) last.value += `\n${line}`
    } else {
      lines.push(fieldLine(line))
    }
  })
  while (lines.length > 1 && lines[lines.length - 1]?.kind === 'blank') lines.pop()
  return { isSip, lines }
}

/** A line as it is shown, and as it is looked for. */
export function lineText(line: Line): string {
  if (!line.name) return line.value
  return `${line.name}${line.kind === 'body' ? '=' : ': '}${line.value}`
}

function fieldLine(line: string): Line {
  const colon = line.indexOf(':')
  if (colon < 1) return { kind: 'field', name: '', value: line, key: '' }
  const name = line.slice(0, colon)
  return { kind: 'field', name, value: line.slice(colon + 1).replace(/^[ \t]+/, ''), key: keyOf(name) }
}

function bodyLine(line: string): Line {
  const [, letter, value] = /^([a-z])=(.*)$/s.exec(line) ?? []
  if (letter === undefined) return { kind: 'body', name: '', value: line, key: '' }
  return { kind: 'body', name: letter, value: value ?? '', key: letter }
}

/** Fields of which proxies add one each: the first is shown, the rest where asked for. */
const REPEATED = new Set(['via', 'record-route', 'route', 'history-info', 'diversion', 'p-asserted-identity'])

export interface Shown {
  line: Line
  /** How many of the same name are folded behind it. */
  folded: number
  index: number
}

/** The lines with repetitive fields folded, but for those of `open`. */
export function fold(lines: Line[], open: ReadonlySet<string>): Shown[] {
  const shown: Shown[] = []
  lines.forEach((line, index) => {
    const before = shown[shown.length - 1]
    const again = line.kind === 'field' && REPEATED.has(line.key) && before?.line.key === line.key
    if (again && before && !open.has(line.key)) before.folded += 1
    else shown.push({ line, folded: 0, index })
  })
  return shown
}

/** A piece of a value, and what it is. */
export interface Token {
  text: string
  kind: '' | 'uri' | 'tag' | 'number' | 'name' | 'quoted'
}

const TOKEN =
  /("(?:[^"\\]|\\.)*")|((?:sips?|tel):[^\s<>;,"]+)|(;\s*(?:tag|branch)=[^;,\s>]+)|(;\s*[\w.-]+(?==))|(\b\d+\b)/gi
/** Longer values are shown as they are: colouring them would hold the page up. */
const LONGEST = 4_000

/** The pieces of a value, for colours. Together they are the value. */
export function tokens(value: string): Token[] {
  if (value.length > LONGEST) return [{ text: value, kind: '' }]
  const found: Token[] = []
  let at = 0
  for (const match of value.matchAll(TOKEN)) {
    if (match.index > at) found.push({ text: value.slice(at, match.index), kind: '' })
    const kind = match[1] ? 'quoted' : match[2] ? 'uri' : match[3] ? 'tag' : match[4] ? 'name' : 'number'
    found.push({ text: match[0], kind })
    at = match.index + match[0].length
  }
  if (at < value.length) found.push({ text: value.slice(at), kind: '' })
  return found
}

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Makes visible what acts instead of being seen: control characters, and those that turn the direction of text. */
export function visibleText(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code < 0x20
      ? String.fromCodePoint(0x2400 + code)
      : `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`
  })
}

/** The text of a message: out of its wrapping, where it has one. */
export function payloadText(message: { payload?: string; unwrapped_payload?: string }): string | null {
  return message.unwrapped_payload ?? message.payload ?? null
}

// What may follow in a query, from what stands before the caret. The node alone knows the language; this only helps.

import { FIELDS, type Field } from './fields'
import { FIELD_WORDS } from '../text'

export interface Offer {
  /** What is shown. */
  label: string
  says: string
  /** What takes the place of `from..caret`. */
  insert: string
}

export interface Completion {
  from: number
  offers: Offer[]
}

const NOTHING: Completion = { from: 0, offers: [] }
const MOST = 12

/** The word at the caret: from the last blank or parenthesis outside of quotes. */
function word(text: string, caret: number): { from: number; quoted: boolean } {
  let from = 0
  let quoted = false
  for (let at = 0; at < caret; at += 1) {
    const octet = text[at]
    if (octet === '\\') at += 1
    else if (octet === '"') quoted = !quoted
    else if (!quoted && (octet === ' ' || octet === '(' || octet === ')' || octet === ',')) from = at + 1
  }
  return { from, quoted }
}

/** The field whose list of values the caret is in: `state:(failed, ca`. */
function listField(text: string, from: number): Field | undefined {
  const before = /([a-z_]+)\s*!?[:=]\s*\([^()]*$/.exec(text.slice(0, from))
  return before ? FIELDS.find((field) => field.name === before[1]) : undefined
}

export function complete(text: string, caret: number): Completion {
  const { from, quoted } = word(text, caret)
  if (quoted) return NOTHING
  const written = text.slice(from, caret)
  const inList = listField(text, from)
  if (inList) return { from, offers: values(inList, written) }
  const [, not = '', name = '', operator, value = ''] =
    /^([-!]?)([A-Za-z_.]*)(!?[:=<>~]=?)?(.*)$/s.exec(written) ?? []
  if (operator !== undefined) {
    const field = FIELDS.find((known) => known.name === name.toLowerCase())
    return field ? { from: caret - value.length, offers: values(field, value) } : NOTHING
  }
  if (!name) return NOTHING
  const begins = FIELDS.filter((field) => field.name.startsWith(name.toLowerCase()))
  const offers = begins.slice(0, MOST).map((field) => ({
    label: field.name,
    says: FIELD_WORDS[field.name] ?? '',
    insert: `${not}${field.name}${field.operator ?? ':'}`,
  }))
  return { from, offers }
}

function values(field: Field, written: string): Offer[] {
  const begins = (field.values ?? []).filter(
    (value) => value.toLowerCase().startsWith(written.toLowerCase()) && value !== written,
  )
  return begins.slice(0, MOST).map((value) => ({ label: value, says: '', insert: value }))
}

/** The query with a condition more, or without it where it has it already. */
export function toggled(query: string, condition: string): string {
  const parts = query.split(' ').filter((part) => part !== '')
  const without = parts.filter((part) => part !== condition)
  return (without.length < parts.length ? without : [...parts, condition]).join(' ')
}

export function has(query: string, condition: string): boolean {
  return query.split(' ').includes(condition)
}

// What differs between two SIP messages, header-aware: fields are compared by name whatever their order and form, and
// within one name in their order; bodies line by line.

import { type Line, read } from './sip'

export interface DiffLine {
  /** What the first message has, and the second; nothing where one lacks it. */
  one: string | null
  other: string | null
  same: boolean
  /** Name of the field, `start` or `body`. */
  part: string
  /** Where the two begin and cease to differ, in octets from the beginning and from the end, where both have it. */
  common: [number, number]
}

const written = (line: Line) =>
  line.kind === 'field' && line.name
    ? `${line.name}: ${line.value}`
    : line.name
      ? `${line.name}=${line.value}`
      : line.value

export function diff(first: string, second: string): DiffLine[] {
  const [one, other] = [read(first).lines, read(second).lines]
  const head = (lines: Line[]) => lines.filter((line) => line.kind === 'field')
  const body = (lines: Line[]) => lines.filter((line) => line.kind === 'body').map(written)
  const starts = [one, other].map((lines) => lines.filter((line) => line.kind === 'start').map(written))
  return [
    ...lists(starts[0] ?? [], starts[1] ?? [], 'start'),
    ...fields(head(one), head(other)),
    ...lists(body(one), body(other), 'body'),
  ]
}

function fields(one: Line[], other: Line[]): DiffLine[] {
  const left = [...other]
  const found: DiffLine[] = []
  for (const line of one) {
    const place = left.findIndex((candidate) => candidate.key === line.key)
    const [match] = place < 0 ? [] : left.splice(place, 1)
    found.push(pair(line, match ?? null, line.key))
  }
  // What only the second has stands behind the field that it follows there, so that it is found where one looks.
  for (const line of left) {
    const before = other.slice(0, other.indexOf(line)).map((candidate) => candidate.key)
    let place = found.length
    for (const key of before.reverse()) {
      const last = found.findLastIndex((candidate) => candidate.part === key)
      if (last >= 0) {
        place = last + 1
        break
      }
    }
    found.splice(place, 0, pair(null, line, line.key))
  }
  return found
}

function pair(one: Line | null, other: Line | null, part: string): DiffLine {
  const same = one !== null && other !== null && unfolded(one) === unfolded(other)
  const texts: [string | null, string | null] = [one && written(one), other && written(other)]
  return { one: texts[0], other: texts[1], same, part, common: common(texts[0], texts[1]) }
}

const unfolded = (line: Line) => line.value.replace(/\s*\n\s+/g, ' ').trim()

/** Lines in their order, as few of them changed as possible. */
function lists(one: string[], other: string[], part: string): DiffLine[] {
  const line = (first: string | null, second: string | null): DiffLine => ({
    one: first,
    other: second,
    same: first === second,
    part,
    common: common(first, second),
  })
  // Bodies are short; beyond that, comparing line by line would hold the page up.
  if (one.length * other.length > 250_000) {
    const length = Math.max(one.length, other.length)
    return Array.from({ length }, (_, at) => line(one[at] ?? null, other[at] ?? null))
  }
  const lengths = Array.from({ length: one.length + 1 }, () => new Uint32Array(other.length + 1))
  const length = (i: number, j: number) => lengths[i]?.[j] ?? 0
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      const row = lengths[i]
      if (row)
        row[j] = one[i] === other[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1))
    }
  }
  const found: DiffLine[] = []
  let [i, j] = [0, 0]
  let gone: string[] = []
  let come: string[] = []
  const settle = () => {
    const count = Math.max(gone.length, come.length)
    for (let at = 0; at < count; at += 1) found.push(line(gone[at] ?? null, come[at] ?? null))
    gone = []
    come = []
  }
  while (i < one.length || j < other.length) {
    const [a, b] = [one[i], other[j]]
    if (a !== undefined && a === b) {
      settle()
      found.push(line(a, a))
      i += 1
      j += 1
    } else if (b === undefined || (a !== undefined && length(i + 1, j) >= length(i, j + 1))) {
      if (a !== undefined) gone.push(a)
      i += 1
    } else {
      come.push(b)
      j += 1
    }
  }
  settle()
  return found
}

function common(one: string | null, other: string | null): [number, number] {
  if (one === null || other === null) return [0, 0]
  const shorter = Math.min(one.length, other.length)
  let front = 0
  while (front < shorter && one[front] === other[front]) front += 1
  let back = 0
  while (back < shorter - front && one[one.length - 1 - back] === other[other.length - 1 - back]) back += 1
  return [front, back]
}

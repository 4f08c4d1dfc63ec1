// Octets as people look at them: where, in hexadecimal, and what of it is text.

const IN_LINE = 16

/** The octets that a text was made of: what came as UTF-8 is that again. */
export const ofText = (text: string) => new TextEncoder().encode(text)

export function ofHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/** `00000010  41 42 0d 0a …  |AB..|`, line by line. */
export function dump(octets: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < octets.length; at += IN_LINE) {
    const some = [...octets.subarray(at, at + IN_LINE)]
    const hex = some.map((octet) => octet.toString(16).padStart(2, '0')).join(' ')
    const text = some.map((octet) => (octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.'))
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(IN_LINE * 3 - 1)}  |${text.join('')}|`)
  }
  return lines.join('\n')
}

// Rates of agents as they were looked at, drawn as a line small enough for a table.

/** Looks that are kept of each. */
const KEPT = 60
/** Looks that the line is drawn for at least. */
const LEAST = 20

export class Rates {
  readonly #of = new Map<string, number[]>()

  /** Adds what was seen now; who was not seen is forgotten. */
  add(rates: Iterable<[string, number]>) {
    const seen = new Set<string>()
    for (const [name, rate] of rates) {
      seen.add(name)
      const so = this.#of.get(name) ?? []
      so.push(rate)
      if (so.length > KEPT) so.shift()
      this.#of.set(name, so)
    }
    for (const name of this.#of.keys()) if (!seen.has(name)) this.#of.delete(name)
  }

  /** The line of one, `width` by `height`; nothing before the second look. */
  line(name: string, width: number, height: number): string {
    const rates = this.#of.get(name) ?? []
    if (rates.length < 2) return ''
    const most = Math.max(1, ...rates)
    return rates
      .map((rate, at) => {
        // Some looks fill a part of it, so that the first ones are to be seen.
        const slots = Math.max(LEAST, rates.length)
        const x = (width * (slots - rates.length + at)) / (slots - 1)
        const y = height - 1 - (rate / most) * (height - 2)
        return `${at === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`
      })
      .join('')
  }
}

/** Counts that are not zero, the largest first. */
export function reasons(...counts: Record<string, number>[]): [string, number][] {
  return counts
    .flatMap((one) => Object.entries(one))
    .filter(([, count]) => count > 0)
    .sort((one, other) => other[1] - one[1])
}

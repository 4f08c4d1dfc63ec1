// Asking again and again, as long as somebody looks.

import { type Problem, asProblem } from './api'

export interface Polling {
  /** Asks now, and goes on from there. */
  again: () => Promise<void>
  stop: () => void
}

/** Says that there is nothing to ask for any more: what was asked about does not change. */
export const OVER = Symbol('over')

/**
 * Asks at once, and again `every` so many milliseconds after each answer, until one of the two says that it is over.
 * `ask` takes in what it gets, and is not waited for any more when it is stopped; `failed` hears what was wrong.
 */
export function polling(
  every: number,
  ask: (signal: AbortSignal) => Promise<unknown>,
  failed: (problem: Problem) => unknown,
): Polling {
  const asking = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const again = async () => {
    clearTimeout(timer)
    let over: unknown
    try {
      over = await ask(asking.signal)
    } catch (error) {
      if (asking.signal.aborted) return
      over = failed(asProblem(error))
    }
    clearTimeout(timer)
    if (!asking.signal.aborted && over !== OVER) timer = setTimeout(() => void again(), every)
  }
  void again()
  return {
    again,
    stop: () => {
      asking.abort()
      clearTimeout(timer)
    },
  }
}

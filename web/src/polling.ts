// Asking again and again, as long as somebody looks.

import { Problem } from './api'

export interface Polling {
  /** Asks now, and goes on from there. */
  again: () => Promise<void>
  stop: () => void
}

/**
 * Asks at once, and again `every` so many milliseconds after each answer. `ask` takes in what it gets, and is not
 * waited for any more when it is stopped; `failed` hears what was wrong.
 */
export function polling(
  every: number,
  ask: (signal: AbortSignal) => Promise<void>,
  failed: (problem: Problem) => void,
): Polling {
  const asking = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const again = async () => {
    clearTimeout(timer)
    try {
      await ask(asking.signal)
    } catch (error) {
      if (asking.signal.aborted) return
      failed(error instanceof Problem ? error : new Problem(0, '', '', String(error)))
    }
    clearTimeout(timer)
    if (!asking.signal.aborted) timer = setTimeout(() => void again(), every)
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

// Counts over time as bars: a histogram in, rectangles out.

import type { Histogram } from '../types'

/** What became of calls, from the bottom of a bar to its top. */
export const OUTCOMES = ['answered', 'unanswered', 'redirected', 'cancelled', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number] | 'messages'

export interface Bar {
  x: number
  width: number
  y: number
  height: number
  outcome: Outcome
}

export interface Strip {
  bars: Bar[]
  /** The most that lies in one span of time. */
  most: number
  /** Milliseconds since 1970 at the left and the right edge. */
  from: number
  to: number
}

/** Bars of `height` pixels at most, over `width`. Nothing where there is nothing to count. */
export function strip(histogram: Histogram, width: number, height: number): Strip | null {
  const buckets = histogram.buckets
  const [first, last] = [buckets[0], buckets[buckets.length - 1]]
  if (!first || !last) return null
  const [from, bucket] = [Date.parse(first.from), histogram.bucket_us / 1000]
  const to = Date.parse(last.from) + bucket
  const amounts = buckets.map(({ calls, messages }): [Outcome, number][] =>
    calls ? OUTCOMES.map((outcome) => [outcome, calls[outcome]]) : [['messages', messages ?? 0]],
  )
  const sums = amounts.map((parts) => parts.reduce((sum, [, amount]) => sum + amount, 0))
  const most = Math.max(...sums)
  if (most === 0) return null
  const step = width / buckets.length
  const bars = amounts.flatMap((parts, index) => {
    let top = height
    return parts
      .filter(([, amount]) => amount > 0)
      .map(([outcome, amount]): Bar => {
        // One of many still is to be seen.
        const tall = Math.max(1, (amount / most) * (height - 2))
        top -= tall
        return { x: index * step, width: Math.max(1, step - 1), y: Math.max(0, top), height: tall, outcome }
      })
  })
  return { bars, most, from, to }
}

/** The time at a place of the strip, as a range begins and ends with whole seconds. */
export function timeAt(of: Strip, share: number): number {
  const at = of.from + (of.to - of.from) * Math.min(1, Math.max(0, share))
  return Math.round(at / 1000) * 1000
}

// Figures of quality as columns for charts and cells for tables.

import { settings } from '../state/settings.svelte'
import { fineClock } from '../time'
import type { Stream } from '../types'

type Point = Stream['points'][number]

/** Which satisfaction a score stands for: ITU-T G.107 annex B has “satisfied” from 4.03, “many dissatisfied” below 3.1. */
export function steps(mos: number): 'good' | 'fair' | 'poor' {
  return mos >= 4.03 ? 'good' : mos >= 3.1 ? 'fair' : 'poor'
}

const digits = (number: number | null | undefined, places: number) =>
  number === null || number === undefined ? '' : number.toFixed(places)

/** Cells of a point: time, loss, jitter, round trip, score, reported score. */
export function shown(point: Point): string[] {
  return [
    fineClock(point.at, settings.utc, 1),
    digits(point.loss_percent, 1),
    digits(point.jitter_ms, 0),
    digits(point.round_trip_ms, 0),
    digits(point.estimate?.mos, 2),
    digits(point.reported_mos, 1),
  ]
}

/** Seconds since 1970, and a series of each figure. */
export function columns(points: Point[]): {
  times: number[]
  mos: (number | null)[]
  loss: (number | null)[]
  jitter: (number | null)[]
  roundTrip: (number | null)[]
} {
  return {
    times: points.map((point) => point.at / 1_000_000),
    mos: points.map((point) => point.estimate?.mos ?? null),
    loss: points.map((point) => point.loss_percent),
    jitter: points.map((point) => point.jitter_ms),
    roundTrip: points.map((point) => point.round_trip_ms),
  }
}

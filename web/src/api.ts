// Asking the node. Addresses are relative to the page: it may be served below any path.

import type { Call, CallPage, Histogram, Ladder, Message, Status } from './types'

/** What the node says when it does not do what was asked (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    readonly title: string,
    readonly detail: string,
  ) {
    super(`${title}: ${detail}`)
  }
}

export type Parameters = Record<string, string | number | boolean | undefined>

async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '' && value !== false) search.set(name, String(value))
  }
  const text = search.toString()
  const address = `api/v1/${path}${text ? `?${text}` : ''}`
  let response: Response
  try {
    response = await fetch(address, { signal: signal ?? null, headers: { accept: 'application/json' } })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Problem(0, 'unreachable', '', '')
  }
  if (response.ok) return (await response.json()) as T
  let problem: { type?: string; title?: string; detail?: string } = {}
  try {
    problem = (await response.json()) as typeof problem
  } catch {
    // A proxy between may answer with anything.
  }
  throw new Problem(
    response.status,
    problem.type ?? '',
    problem.title ?? response.statusText,
    problem.detail ?? '',
  )
}

const name = encodeURIComponent

export const api = {
  calls: (parameters: Parameters, signal?: AbortSignal) => get<CallPage>('calls', parameters, signal),
  call: (id: string, signal?: AbortSignal) => get<Call>(`calls/${name(id)}`, {}, signal),
  ladder: (id: string, lanes: string, signal?: AbortSignal) =>
    get<Ladder>(`calls/${name(id)}/ladder`, { lanes }, signal),
  histogram: (parameters: Parameters, signal?: AbortSignal) =>
    get<Histogram>('histogram', parameters, signal),
  message: (id: string, signal?: AbortSignal) => get<Message>(`messages/${name(id)}`, {}, signal),
  status: (signal?: AbortSignal) => get<Status>('status', {}, signal),
}

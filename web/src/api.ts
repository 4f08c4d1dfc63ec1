// Asking the node. Addresses are relative to the page: it may be served below any path.

import { text } from './text'
import type {
  Agent,
  AuditEntry,
  Call,
  CallPage,
  CallQuality,
  Explanation,
  Histogram,
  Ladder,
  Ledger,
  Message,
  Overview,
  Registration,
  SharedLink,
  Status,
} from './types'

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

/** What went wrong, whatever it was. */
export const asProblem = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, '', '', String(error))

/** What was wrong, for people. */
export function reason(error: unknown): string {
  if (!(error instanceof Problem)) return String(error)
  return error.detail || error.title || text.failing.unreachable.title
}

export type Parameters = Record<string, string | number | boolean | undefined>

/** Where something is asked for, relative to the page. */
export function address(path: string, parameters: Parameters = {}): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '' && value !== false) search.set(name, String(value))
  }
  const text = search.toString()
  return `api/v1/${path}${text ? `?${text}` : ''}`
}

async function answer(
  path: string,
  parameters: Parameters,
  signal?: AbortSignal,
  method = 'GET',
  body?: Blob,
): Promise<Response> {
  let response: Response
  try {
    response = await fetch(address(path, parameters), {
      method,
      signal: signal ?? null,
      body: body ?? null,
      headers: { accept: 'application/json' },
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Problem(0, 'unreachable', '', '')
  }
  if (response.ok) return response
  if (response.status === 401) dispatchEvent(new Event('signed-out'))
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

async function get<T>(
  path: string,
  parameters: Parameters = {},
  signal?: AbortSignal,
  method?: string,
  body?: Blob,
): Promise<T> {
  const response = await answer(path, parameters, signal, method, body)
  return (await response.json()) as T
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
  unparsable: (limit: number, signal?: AbortSignal) =>
    get<{ messages: Message[] }>('messages', { q: 'type:unparsable', limit }, signal),
  /** The octets of a frame as it was received. */
  frame: async (id: string) => (await answer(`messages/${name(id)}/frame`, {})).arrayBuffer(),
  explanation: (id: string, signal?: AbortSignal) =>
    get<Explanation>(`calls/${name(id)}/explanation`, {}, signal),
  quality: (id: string, signal?: AbortSignal) => get<CallQuality>(`calls/${name(id)}/quality`, {}, signal),
  messages: (id: string, signal?: AbortSignal) =>
    get<{ messages: Message[] }>(`calls/${name(id)}/messages`, {}, signal),
  overview: (parameters: Parameters, signal?: AbortSignal) =>
    get<{ overview: Overview; ended_by: string | null }>('overview', parameters, signal),
  registrations: (parameters: Parameters, signal?: AbortSignal) =>
    get<{ registrations: Registration[]; next: string | null }>('registrations', parameters, signal),
  agents: (signal?: AbortSignal) => get<{ agents: Agent[] }>('agents', {}, signal),
  decide: (agent: string, decision: 'accept' | 'refuse' | 'forget') =>
    get<unknown>(`agents/${name(agent)}/${decision}`, {}, undefined, 'POST'),
  import: (file: Blob) =>
    get<{ messages: number; left_out: Record<string, number>; fault: string | null; moved_seconds: number }>(
      'import',
      {},
      undefined,
      'POST',
      file,
    ),
  testCall: () => get<{ call_id: string; listener: string }>('test-call', {}, undefined, 'POST'),
  links: (signal?: AbortSignal) => get<{ links: SharedLink[] }>('links', {}, signal),
  revoke: (id: string) => get<{ links: SharedLink[] }>(`links/${name(id)}`, {}, undefined, 'DELETE'),
  audit: (parameters: Parameters, signal?: AbortSignal) =>
    get<{ entries: AuditEntry[]; next: number | null; lost: number }>('audit', parameters, signal),
  ledger: (signal?: AbortSignal) => get<Ledger>('ledger', {}, signal),
  /** Where a call is as a file. */
  file: (id: string, format: string) => address(`calls/${name(id)}/export`, { format }),
  status: (signal?: AbortSignal) => get<Status>('status', {}, signal),
}

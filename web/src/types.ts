// What the node says, as docs/search.md, docs/calls.md and docs/message-json.md describe it. Times are microseconds
// since 1970, durations microseconds, ids text: some are larger than a number here can be.

export const STATES = [
  'setup',
  'ringing',
  'in_call',
  'ended',
  'failed',
  'cancelled',
  'redirected',
  'unknown',
] as const
export type State = (typeof STATES)[number]
export type Side = 'caller' | 'callee' | 'both'

export interface Party {
  user: string | null
  host: string | null
  display: string | null
}

export interface Quality {
  loss_percent: number | null
  jitter_ms: number | null
  round_trip_ms: number | null
  mos: number | null
}

export interface Media {
  side: Side | null
  address: string
  kind: string
  direction: string
  codecs: string
}

export interface Leg {
  id: string
  call_id: string
  state: State
  started: number
  from: Party
  to: Party
  user_agents: { side: Side | null; name: string }[]
  media: Media[]
  source: string | null
  destination: string | null
  quality: Quality | null
}

export interface Link {
  from: string
  to: string
  rule: string
  header: string | null
  confidence: number
  value: string
  status: 'joined' | 'suggested' | 'unlinked' | 'withheld'
}

export interface Call {
  id: string
  kind: string
  state: State
  started: number
  last: number
  answered: number | null
  ended: number | null
  setup_us: number | null
  ring_us: number | null
  talk_us: number | null
  duration_us: number | null
  released_by: Side | null
  final_code: number | null
  final_phrase: string | null
  reason: string | null
  from: Party
  to: Party
  codec: string | null
  messages: number
  retransmissions: number
  duplicates: number
  flags: string[]
  agents: string[]
  legs: Leg[]
  links: Link[]
  closed: string | null
}

export interface CallPage {
  calls: Call[]
  next: string | null
  ended_by: string | null
}

export interface Histogram {
  bucket_us: number
  buckets: {
    from: string
    messages: number | null
    calls: Record<'answered' | 'cancelled' | 'redirected' | 'failed' | 'unanswered', number> | null
  }[]
}

export interface Lane {
  address: string | null
  port: number | null
}

export type ArrowKind = 'request' | 'response' | 'report' | 'log' | 'event'

export interface Difference {
  name: string
  one: string | null
  other: string | null
}

export interface Observed {
  row: string
  agent: string
  sent: number | null
  received: number
  at: number
  delay_us: number
  differences: Difference[]
}

export interface Session {
  address: string | null
  codecs: string[]
  direction: string
  hold: boolean
}

export interface Arrow {
  from: number
  to: number
  leg: number | null
  kind: ArrowKind
  label: string
  status: number | null
  cseq: [number, string] | null
  at: number
  adjusted: boolean
  transmission: number
  again_of: number | null
  observed: Observed[]
  session: Session | null
}

export interface Ladder {
  lanes: Lane[]
  legs: string[]
  arrows: Arrow[]
  corrections: { agent: string; correction_us: number }[]
}

export interface Chunk {
  offset: number
  vendor: number
  type: number
  name?: string
  length: number
  value?: unknown
  value_hex?: string
  remark?: string
}

export interface Message {
  id: string
  version: number
  received_at: string
  listener: string
  agent: string
  time?: string
  time_source?: string
  transport?: string
  src_ip?: string
  src_port?: number
  dst_ip?: string
  dst_port?: number
  protocol_name?: string
  payload?: string
  payload_hex?: string
  unwrapped_payload?: string
  payload_length?: number
  /** Octets of a frame that did not decode. */
  length?: number
  correlation_id?: string
  capture_id?: number
  defects?: string[]
  chunks?: Chunk[]
  error?: { reason: string; message: string; offset: number }
}

/** How much a finding matters. */
export type Weight = 'cause' | 'trouble' | 'remark'

export interface Finding {
  rule: string
  weight: Weight
  says: string
  evidence: { row: string; label: string; at: number }[]
}

export interface Explanation {
  findings: Finding[]
  left_out: string | null
}

export interface Estimate {
  mos: number
  r: number
  delay_ms: number
  id: number
  ie_eff: number
  inputs: { loss_percent: number; jitter_ms: number | null; round_trip_ms: number | null }
}

export interface Stream {
  reporter: string | null
  sender: string | null
  ssrc: number | null
  codec: string | null
  model: { ie: number; bpl: number; clock_hz: number; tabulated: boolean }
  points: {
    at: number
    row: string
    loss_percent: number | null
    jitter_ms: number | null
    round_trip_ms: number | null
    reported_mos: number | null
    estimate: Estimate | null
  }[]
  left_out: number
  worst: Estimate | null
  mean_mos: number | null
}

export interface CallQuality {
  streams: Stream[]
  started: number
  answered: number | null
  ended: number | null
}

export interface Overview {
  calls: number
  setting_up: number
  in_call: number
  answered: number
  cancelled: number
  redirected: number
  failed: number
  unknown: number
  asr: number | null
  ner: number | null
  setup_us: { p50: number; p90: number; p99: number } | null
  talk_us: number
  codes: { code: number; calls: number }[]
  peers: { address: string; calls: number; failed: number }[]
}

export interface Registration {
  id: string
  address_of_record: string
  contact: string
  state: 'pending' | 'registered' | 'expired' | 'removed' | 'failed'
  source: string | null
  user_agent: string | null
  first: number
  last: number
  registered: number | null
  expires: number | null
  removed: number | null
  failed: number | null
  final_code: number | null
  failures: number
}

/** A link to a call, as it is listed: nothing can be opened with it. */
export interface SharedLink {
  id: string
  name: string
  call: string
  user: string
  created_at: string
  expires_at: string
}

/** An entry of the audit log. */
export interface AuditEntry {
  id: number
  at: string
  user: string
  role: string
  address: string
  action: string
  subject: string
}

export type Counts = Record<string, number>

export interface Intake {
  received: number
  routed: number
  refused: Counts
  skipped: Counts
}

export interface Agent {
  agent: string
  capture_id: number | null
  state: string
  decision: string | null
  listener: string
  transport: string
  versions: number[]
  node_names: string[]
  ledger: Intake
  unparsable: Counts
  octets: number
  rate: number
  clock: { offset_micros: number | null; ahead: number; behind: number }
  frames_ever: number
  first_seen: string
  last_seen: string
}

export interface Sink {
  name: string
  kind: string
  offered: number
  originated: number
  carried_over: number
  delivered: number
  queued: number
  spooled: number
  dropped: Counts
  unaccounted: number
  destination: {
    transport: string
    target: string
    up: boolean
    state: string
    since: string
    breaker: string
    last_error: string | null
    queued_octets: number
    queue_limit: number
    spool: {
      octets: number
      max_octets: number
      files: number
      oldest: string | null
      written: number
      replayed: number
      failing: string | null
    } | null
  } | null
}

export interface Ledger {
  ledger: Intake & { unaccounted: number; in_flight_bound: number }
  listeners: { name: string; ledger: Intake }[]
  sinks: Sink[]
}

export interface Status {
  version?: string
  node?: string
  agents?: Agent[]
  store?: {
    rows: number
    octets: number
    octets_per_day: number | null
    days_left: number | null
    oldest: string | null
    newest: string | null
  } | null
  listeners: { name: string; address: string; transport?: string; ledger: Intake }[]
}

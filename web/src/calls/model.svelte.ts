// The calls that the page knows of: loaded page by page as one scrolls, and looked at again while it is live.

import { type Problem, address, api, asProblem } from '../api'
import { bounds, seconds, span } from '../state/address'
import type { Call } from '../types'
import { NEWEST, type Sort, forget, leavesGap, sorted, take } from './order'

export interface Asked {
  query: string
  range: string
  all: boolean
}

const PAGE = 200
/** How often the newest calls are looked at. */
const EVERY = 2_000
/** Calls that are kept while somebody looks at the newest: those further down are loaded again when they are wanted. */
const KEPT = 5 * PAGE
/** New calls that are held back for whoever reads further down; others are loaded when they are wanted. */
const HELD = 5_000
/** How often, where the node tells of changes: what it cannot tell of is seen then. */
const EVERY_TOLD = 15_000

export class Calls {
  rows: Call[] = $state.raw([])
  sort: Sort = $state(NEWEST)
  live = $state(true)
  /** New calls that wait until whoever reads further down wants them. */
  waiting = $state(0)
  /** Whether more wait than are counted. */
  more = $state(false)
  /** Changes that this page was too slow for; the next look makes up for them. */
  missed = $state(0)
  loading = $state(false)
  problem = $state.raw<Problem | null>(null)
  endedBy = $state<string | null>(null)
  next = $state<string | null>(null)
  /** Whether an answer to what is asked for now has come. */
  answered = $state(false)

  #asked: Asked = { query: '', range: '', all: false }
  #known = new Map<string, Call>()
  #held = new Set<string>()
  #asking: AbortController | null = null
  #stream: EventSource | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Whether new calls may move what is read. */
  #atTop = true

  /** Asks for something else. */
  ask(asked: Asked) {
    this.#asked = asked
    this.#known = new Map()
    this.#held = new Set()
    this.next = null
    this.problem = null
    this.waiting = 0
    this.more = false
    this.answered = false
    this.missed = 0
    this.#asking?.abort()
    void this.#load(null)
    this.follow()
  }

  /** The page after what is loaded. */
  further() {
    // What failed is not asked for again at once: the next look says when it goes on.
    if (this.next !== null && !this.loading && this.problem === null) void this.#load(this.next)
  }

  order(sort: Sort) {
    this.sort = sort
    this.#show()
  }

  toggleLive() {
    this.live = !this.live
    if (this.live) this.release()
  }

  /** Says whether the top of the list is in view. */
  reads(atTop: boolean) {
    this.#atTop = atTop
    if (atTop && this.live && this.waiting > 0) this.release()
  }

  /** Shows what waits. */
  release() {
    if (this.more) return this.ask(this.#asked)
    this.#held.clear()
    this.waiting = 0
    this.#show()
  }

  /** Hears of changes while somebody looks: a hidden page holds no connection. */
  follow() {
    this.#stream?.close()
    this.#stream = null
    const { query, range, all } = this.#asked
    if (document.hidden || span(range)) return
    const stream = new EventSource(address('calls/live', { q: query, all }))
    const known = this.#known
    stream.addEventListener('calls', (event: MessageEvent<string>) => {
      if (known === this.#known) this.#changed(JSON.parse(event.data) as { calls: Call[]; gone: string[] })
    })
    stream.addEventListener('missed', (event: MessageEvent<string>) => {
      this.missed += (JSON.parse(event.data) as { missed: number }).missed
      void this.#look()
    })
    this.#stream = stream
  }

  /** Takes in what the node tells of. */
  #changed({ calls, gone }: { calls: Call[]; gone: string[] }) {
    const length = seconds(this.#asked.range)
    const oldest = length === null ? -Infinity : (Date.now() - length * 1000) * 1000
    const fresh = take(
      this.#known,
      calls.filter((call) => call.started >= oldest),
    )
    for (const id of gone) this.#known.delete(id)
    if (this.answered && (!this.live || !this.#atTop)) this.#hold(fresh)
    this.#show()
  }

  /** Keeps new calls from moving what is read. */
  #hold(fresh: string[]) {
    for (const id of fresh) {
      if (this.#held.size < HELD) this.#held.add(id)
      else this.more = this.#known.delete(id) || this.more
    }
    this.waiting = this.#held.size
  }

  stop() {
    this.#stream?.close()
    clearTimeout(this.#timer)
    this.#asking?.abort()
  }

  async #load(cursor: string | null) {
    const asking = new AbortController()
    this.#asking = asking
    this.loading = true
    const known = this.#known
    try {
      const page = await this.#page(cursor ?? undefined, asking.signal)
      if (known !== this.#known) return
      take(this.#known, page.calls)
      this.next = page.next
      this.endedBy = page.ended_by
      this.problem = null
      this.answered = true
      this.#show()
    } catch (error) {
      if (asking.signal.aborted) return
      this.problem = asProblem(error)
      if (cursor === null) this.rows = []
    }
    this.loading = false
    this.#later()
  }

  #page(cursor: string | undefined, signal: AbortSignal) {
    const { query, range, all } = this.#asked
    return api.calls({ q: query, ...bounds(range, Date.now()), all, limit: PAGE, cursor }, signal)
  }

  #later() {
    clearTimeout(this.#timer)
    const told = this.#stream?.readyState === EventSource.OPEN
    this.#timer = setTimeout(() => void this.#look(), told ? EVERY_TOLD : EVERY)
  }

  /** Looks what became of the newest calls, and whether there are newer ones. */
  async #look() {
    // What the node does not understand, or does not allow, it will not the next time.
    const faulty = [400, 401, 403].includes(this.problem?.status ?? 0)
    if (this.loading || document.hidden || faulty) return this.#later()
    const asking = new AbortController()
    this.#asking = asking
    const known = this.#known
    try {
      const page = await this.#page(undefined, asking.signal)
      if (known !== this.#known) return
      const first = !this.answered
      const isLong = this.live && this.#atTop && known.size > KEPT
      if (isLong) known.clear()
      const fresh = take(known, page.calls)
      if (first || isLong || leavesGap(page.calls, fresh)) this.next = page.next
      if (!first && (!this.live || !this.#atTop)) this.#hold(fresh)
      if (this.#asked.query !== '') forget(known, page.calls)
      this.problem = null
      this.answered = true
      this.#show()
    } catch (error) {
      if (asking.signal.aborted) return
      this.problem = asProblem(error)
    }
    this.#later()
  }

  #show() {
    const calls = [...this.#known.values()].filter((call) => !this.#held.has(call.id))
    this.rows = sorted(calls, this.sort)
  }
}

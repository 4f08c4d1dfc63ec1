// The calls that the page knows of: loaded page by page as one scrolls, and looked at again while it is live.

import { Problem, api } from '../api'
import { bounds } from '../state/address'
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

export class Calls {
  rows: Call[] = $state.raw([])
  sort: Sort = $state(NEWEST)
  live = $state(true)
  /** New calls that wait until whoever reads further down wants them. */
  waiting = $state(0)
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
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Whether new calls may move what is read. */
  #atTop = true

  /** Asks for something else. */
  ask(asked: Asked) {
    this.#asked = asked
    this.#known = new Map()
    this.#held = new Set()
    this.waiting = 0
    this.answered = false
    this.#asking?.abort()
    void this.#load(null)
  }

  /** The page after what is loaded. */
  more() {
    if (this.next !== null && !this.loading) void this.#load(this.next)
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
    this.#held.clear()
    this.waiting = 0
    this.#show()
  }

  stop() {
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
      this.problem = error instanceof Problem ? error : new Problem(0, '', '', String(error))
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
    this.#timer = setTimeout(() => void this.#look(), EVERY)
  }

  /** Looks what became of the newest calls, and whether there are newer ones. */
  async #look() {
    const faulty = this.problem !== null && this.problem.status >= 400 && this.problem.status < 500
    if (this.loading || document.hidden || faulty) return this.#later()
    const asking = new AbortController()
    this.#asking = asking
    const known = this.#known
    try {
      const page = await this.#page(undefined, asking.signal)
      if (known !== this.#known) return
      const first = !this.answered
      const fresh = take(this.#known, page.calls)
      if (first || leavesGap(page.calls, fresh)) this.next = page.next
      if (!first && (!this.live || !this.#atTop)) {
        for (const id of fresh) this.#held.add(id)
        this.waiting = this.#held.size
      }
      if (this.#asked.query !== '') forget(known, page.calls)
      this.problem = null
      this.answered = true
      this.#show()
    } catch (error) {
      if (asking.signal.aborted) return
      if (error instanceof Problem) this.problem = error
    }
    this.#later()
  }

  #show() {
    const calls = [...this.#known.values()].filter((call) => !this.#held.has(call.id))
    this.rows = sorted(calls, this.sort)
  }
}

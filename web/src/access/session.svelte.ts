// Who one is for the node, signing in and out.

import { Problem } from '../api'

export type Right = 'see' | 'payload' | 'operate' | 'administer' | 'metrics'

/** What the node says of whoever asks (`GET api/v1/session`). */
export interface Who {
  /** Whether one has to sign in before anything is shown. */
  sign_in: boolean
  user: string | null
  /** `open` where the node has no users, `link` for who came by one. */
  role: string | null
  rights: Right[]
  hidden: string[]
  /** The only call that one may see. */
  call: string | null
  expires_at: string | null
}

/** A link to a call as the node makes it. */
interface Shared {
  address: string
  expires_at: string
}

const ADDRESS = 'api/v1/session'

async function ask<T>(address: string, method: string, body?: object): Promise<T> {
  let response: Response
  try {
    response = await fetch(address, {
      method,
      headers: { accept: 'application/json', ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  } catch {
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

/** The secret of a link in the part of an address that browsers send to nobody. */
export function linkOf(hash: string): string | null {
  const found = /^#link=(hcl_[0-9a-f_]+)$/.exec(hash)
  return found?.[1] ?? null
}

class Session {
  who = $state.raw<Who | null>(null)
  /** Why one is not known. */
  problem = $state.raw<Problem | null>(null)

  /** Asks who one is; comes in by the link that the address has, where it has one. */
  async begin() {
    const link = linkOf(location.hash)
    if (link !== null) {
      // Gone from the address bar before anything else: what is pasted from there must not have it.
      history.replaceState(null, '', location.pathname + location.search)
    }
    await this.#now(link === null ? ask(ADDRESS, 'GET') : ask(ADDRESS, 'POST', { link }))
  }

  /** Whether that was a user and the password; why not stands in `problem`. */
  async signIn(user: string, password: string): Promise<boolean> {
    await this.#now(ask(ADDRESS, 'POST', { user, password }))
    return this.problem === null
  }

  /** Here, or wherever the same user has signed in. */
  async signOut(where: 'here' | 'everywhere') {
    await this.#now(ask(where === 'here' ? ADDRESS : `${ADDRESS}?everywhere=true`, 'DELETE'))
  }

  may(right: Right): boolean {
    return this.who?.rights.includes(right) ?? false
  }

  /** A link to a call that others can open: absolute. */
  async share(call: string): Promise<string> {
    const made = await ask<Shared>(`api/v1/calls/${encodeURIComponent(call)}/share`, 'POST', {})
    return new URL(made.address, location.origin + location.pathname).href
  }

  async #now(asked: Promise<Who>) {
    try {
      this.who = await asked
      this.problem = null
    } catch (error) {
      this.problem = error instanceof Problem ? error : new Problem(0, '', '', String(error))
    }
  }
}

export const session = new Session()

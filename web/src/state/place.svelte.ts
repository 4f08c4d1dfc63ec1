// Where the page is, and going elsewhere.

import { type Address, HOME, format, parse } from './address'
import { settings } from './settings.svelte'

class Place {
  at: Address = $state(parse(location.search))

  constructor() {
    // Who comes without an address has the order of the last time.
    if (location.search === '') this.shift({ sort: settings.sort })
    addEventListener('popstate', () => (this.at = parse(location.search)))
  }

  /** Goes on to what `change` says; the way back is the browser's. */
  go(change: Partial<Address>) {
    this.#set(change, 'pushState')
  }

  /** The same, without a way back: for what is only a detail. */
  shift(change: Partial<Address>) {
    this.#set(change, 'replaceState')
  }

  home() {
    this.go({ ...HOME, range: this.at.range, sort: this.at.sort })
  }

  #set(change: Partial<Address>, how: 'pushState' | 'replaceState') {
    // A call that is opened is shown as the last one was.
    const opens = change.call && change.call !== this.at.call ? { look: settings.look } : {}
    const next = { ...this.at, ...opens, ...change }
    const search = format(next)
    if (search !== format(this.at)) history[how](null, '', search || location.pathname)
    this.at = next
  }
}

export const place = new Place()

// Where the page is, and going elsewhere.

import { type Address, HOME, format, parse } from './address'

class Place {
  at: Address = $state(parse(location.search))

  constructor() {
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
    this.go({ ...HOME, range: this.at.range })
  }

  #set(change: Partial<Address>, how: 'pushState' | 'replaceState') {
    const next = { ...this.at, ...change }
    const search = format(next)
    if (search !== format(this.at)) history[how](null, '', search || location.pathname)
    this.at = next
  }
}

export const place = new Place()

// A synthetic call through the node, and going to where it is found.

import { api } from '../api'
import { place } from '../state/place.svelte'

/** Sends it, and looks for it. Fails as asking the node does. */
export async function testCall() {
  const sent = await api.testCall()
  place.go({ screen: 'calls', call: null, range: '1h', query: `call_id:"${sent.call_id}"` })
}

// Who takes part in a call, in a few words. SIP is hostile text: what acts on a reader is made visible.

import { visibleText } from '../message/sip'
import type { Call, Party } from '../types'

export function partyName(party: Party): string {
  return visibleText(party.user ?? party.host ?? '')
}

export function partyWhole(party: Party): string {
  const uri =
    party.user !== null && party.host !== null
      ? `${party.user}@${party.host}`
      : (party.user ?? party.host ?? '')
  return visibleText(party.display ? `"${party.display}" ${uri}` : uri)
}

/** `486 Busy Here` */
export function resultText(call: Pick<Call, 'final_code' | 'final_phrase'>): string {
  return call.final_code === null
    ? ''
    : visibleText(`${String(call.final_code)} ${call.final_phrase ?? ''}`.trim())
}

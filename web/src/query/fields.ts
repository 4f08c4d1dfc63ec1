// What can be asked for, as docs/query.md has it: offered while a query is written. The node decides what is right.

import { FLAGS, STATE_WORDS } from '../text'

export interface Field {
  name: string
  says: string
  /** What may stand behind it, where there are few values. */
  values?: string[]
  /** What usually follows the name. */
  operator?: string
}

const METHODS =
  'INVITE REGISTER OPTIONS BYE CANCEL ACK SUBSCRIBE NOTIFY MESSAGE REFER UPDATE PRACK INFO PUBLISH'
const CLASSES = 'call registration options sip rtcp log other'

export const FIELDS: Field[] = [
  { name: 'user', says: 'user of From, To or request URI' },
  { name: 'from', says: 'caller, also user@host' },
  { name: 'to', says: 'callee, also user@host' },
  { name: 'state', says: 'how far it got', values: Object.keys(STATE_WORDS) },
  {
    name: 'status',
    says: 'final response',
    values: ['4xx', '5xx', '6xx', '486', '487', '404', '408', '503'],
  },
  { name: 'flag', says: 'what is remarkable', values: Object.keys(FLAGS) },
  { name: 'call_id', says: 'Call-ID of a leg' },
  { name: 'last', says: 'not longer ago', values: ['15m', '1h', '6h', '24h', '7d'] },
  { name: 'time', says: 'when it began', values: ['today', 'yesterday'] },
  { name: 'src', says: 'address, network or port it came from' },
  { name: 'dst', says: 'address, network or port it went to' },
  { name: 'agent', says: 'address of the agent that saw it' },
  { name: 'capture_id', says: 'capture agent ID' },
  { name: 'node', says: 'name of the agent' },
  { name: 'method', says: 'SIP method', values: METHODS.split(' ') },
  { name: 'ua', says: 'User-Agent or Server' },
  { name: 'domain', says: 'host of From, To or request URI' },
  {
    name: 'setup',
    says: 'from the request to the first sign',
    operator: '>',
    values: ['500ms', '3s', '10s'],
  },
  { name: 'ring', says: 'from ringing to the answer', operator: '>', values: ['10s', '30s'] },
  { name: 'talk', says: 'from the answer to the end', operator: '<', values: ['5s', '30s', '1h'] },
  { name: 'duration', says: 'from the first request to the end', operator: '<', values: ['5s', '1m', '1h'] },
  { name: 'released_by', says: 'who ended it', values: ['caller', 'callee', 'both'] },
  { name: 'reason', says: 'phrase, or the field Reason' },
  { name: 'codec', says: 'what both settled on', values: ['PCMA', 'PCMU', 'opus', 'G729', 'G722'] },
  { name: 'media', says: 'address of media' },
  { name: 'legs', says: 'how many legs', operator: '>', values: ['1', '2'] },
  { name: 'messages', says: 'how many messages', operator: '>' },
  { name: 'class', says: 'what the store keeps apart', values: CLASSES.split(' ') },
  { name: 'type', says: 'what a message is', values: ['sip', 'rtcp', 'log', 'unparsable'] },
  { name: 'listener', says: 'who received it' },
  { name: 'version', says: 'HEP version', values: ['1', '2', '3'] },
  { name: 'session_id', says: 'Session-ID' },
  { name: 'correlation_id', says: 'HEP correlation ID' },
  { name: 'payload', says: 'text in the message' },
  { name: 'header.', says: 'a header field: header.X-Foo', operator: '' },
]

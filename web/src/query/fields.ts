// What can be asked for, as docs/query.md has it: offered while a query is written. The node decides what is right.

import { FLAGS, STATE_WORDS } from '../text'

export interface Field {
  name: string
  /** What may stand behind it, where there are few values. */
  values?: string[]
  /** What usually follows the name. */
  operator?: string
}

const METHODS =
  'INVITE REGISTER OPTIONS BYE CANCEL ACK SUBSCRIBE NOTIFY MESSAGE REFER UPDATE PRACK INFO PUBLISH'
const CLASSES = 'call registration options sip rtcp log other'

export const FIELDS: Field[] = [
  { name: 'user' },
  { name: 'from' },
  { name: 'to' },
  { name: 'state', values: Object.keys(STATE_WORDS) },
  {
    name: 'status',
    values: ['4xx', '5xx', '6xx', '486', '487', '404', '408', '503'],
  },
  { name: 'flag', values: Object.keys(FLAGS) },
  { name: 'call_id' },
  { name: 'last', values: ['15m', '1h', '6h', '24h', '7d'] },
  { name: 'time', values: ['today', 'yesterday'] },
  { name: 'src' },
  { name: 'dst' },
  { name: 'agent' },
  { name: 'capture_id' },
  { name: 'node' },
  { name: 'method', values: METHODS.split(' ') },
  { name: 'ua' },
  { name: 'domain' },
  {
    name: 'setup',
    operator: '>',
    values: ['500ms', '3s', '10s'],
  },
  { name: 'ring', operator: '>', values: ['10s', '30s'] },
  { name: 'talk', operator: '<', values: ['5s', '30s', '1h'] },
  { name: 'duration', operator: '<', values: ['5s', '1m', '1h'] },
  { name: 'released_by', values: ['caller', 'callee', 'both'] },
  { name: 'reason' },
  { name: 'codec', values: ['PCMA', 'PCMU', 'opus', 'G729', 'G722'] },
  { name: 'media' },
  { name: 'legs', operator: '>', values: ['1', '2'] },
  { name: 'messages', operator: '>' },
  { name: 'class', values: CLASSES.split(' ') },
  { name: 'type', values: ['sip', 'rtcp', 'log', 'unparsable'] },
  { name: 'listener' },
  { name: 'version', values: ['1', '2', '3'] },
  { name: 'session_id' },
  { name: 'correlation_id' },
  { name: 'payload' },
  { name: 'header.', operator: '' },
]

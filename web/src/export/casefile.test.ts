import { describe, expect, it } from 'vitest'
import { caseFile } from './casefile'
import { escaped, picture } from './svg'
import { layout } from '../ladder/layout'
import type { Arrow, Call, Ladder } from '../types'

const BAD = `<script>alert(1)</script>"'&\u202e`

const arrow = (label: string, from: number, to: number): Arrow => ({
  from,
  to,
  leg: 0,
  kind: 'request',
  label,
  status: null,
  cseq: [1, 'INVITE'],
  at: 1_000_000,
  adjusted: false,
  transmission: 0,
  again_of: null,
  observed: [],
  session: null,
})

const ladder: Ladder = {
  lanes: [
    { address: '192.0.2.1', port: 5060 },
    { address: '2001:db8::1', port: 5060 },
  ],
  legs: ['1@a'],
  arrows: [arrow(BAD, 0, 1), arrow('INVITE', 1, 0), arrow('loop', 0, 0)],
  corrections: [],
}
const drawn = () =>
  picture(
    ladder,
    layout(ladder, { width: 600, repeats: false, sdp: true, reports: true, colourBy: 'leg' }),
    () => '10:00',
  )

const call = {
  id: '00',
  state: 'failed',
  started: 1_000_000,
  duration_us: null,
  final_code: 486,
  final_phrase: BAD,
  from: { user: BAD, host: 'a', display: BAD },
  to: { user: 'bob', host: 'b', display: null },
  codec: null,
  messages: 2,
  legs: [{ call_id: BAD }],
} as unknown as Call

describe('files', () => {
  it('escape what they show', () => {
    expect(escaped(`<a href="x">'&`)).not.toMatch(/[<>"']/)
    const svg = drawn()
    expect(svg).not.toContain('<script')
    expect(svg).not.toContain('\u202e')
    expect(svg.match(/<path/g)?.length).toBe(2 + 3 * 2)
  })

  it('have no script, and a policy that allows none', () => {
    const finding = { rule: 'refused', weight: 'cause' as const, says: BAD, evidence: [] }
    const message = { id: '1', version: 3, received_at: 'now', listener: 'l', agent: 'a', payload: BAD }
    const file = caseFile(call, [finding], drawn(), [message], 0)
    expect(file).not.toContain('<script')
    expect(file).not.toContain('\u202e')
    expect(file).toContain("default-src 'none'")
    expect(file).not.toMatch(/(src|href)=/)
  })
})

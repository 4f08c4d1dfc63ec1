import { describe, expect, it } from 'vitest'
import { diff } from './diff'

const sip = (...lines: string[]) => `${lines.join('\r\n')}\r\n`
const shown = (one: string, other: string) =>
  diff(one, other)
    .filter((line) => !line.same)
    .map((line) => [line.part, line.one, line.other])

describe('two messages', () => {
  it('that are the same do not differ', () => {
    const text = sip('INVITE sip:a SIP/2.0', 'To: x', '', 'v=0', 's=-')
    expect(shown(text, text)).toEqual([])
    expect(diff(text, text).length).toBe(4)
  })

  it('are compared by name, whatever order and form fields have', () => {
    const one = sip('INVITE sip:a SIP/2.0', 'Via: 1', 'To: x', 'Call-ID: c')
    const other = sip('INVITE sip:a SIP/2.0', 'i: c', 't: x', 'v: 1')
    expect(shown(one, other)).toEqual([])
  })

  it('are compared in order within one name', () => {
    const one = sip('OPTIONS sip:a SIP/2.0', 'Via: 1', 'Via: 2', 'Max-Forwards: 70')
    const other = sip('OPTIONS sip:a SIP/2.0', 'Via: 0', 'Via: 1', 'Via: 2', 'Max-Forwards: 69')
    expect(shown(one, other)).toEqual([
      ['via', 'Via: 1', 'Via: 0'],
      ['via', 'Via: 2', 'Via: 1'],
      ['via', null, 'Via: 2'],
      ['max-forwards', 'Max-Forwards: 70', 'Max-Forwards: 69'],
    ])
  })

  it('that fold fields otherwise are the same', () => {
    const one = sip('OPTIONS sip:a SIP/2.0', 'Subject: a', '  b')
    expect(shown(one, sip('OPTIONS sip:a SIP/2.0', 'Subject: a b'))).toEqual([])
  })

  it('have what only the second has where it stands there', () => {
    const one = sip('OPTIONS sip:a SIP/2.0', 'One: 1', 'Two: 2')
    const lines = diff(one, sip('OPTIONS sip:a SIP/2.0', 'One: 1', 'New: x', 'Two: 2'))
    expect(lines.map((line) => line.part)).toEqual(['start', 'one', 'new', 'two'])
  })

  it('have bodies that are compared line by line', () => {
    const one = sip('SIP/2.0 200 OK', '', 'v=0', 'c=IN IP4 10.0.0.1', 'm=audio 1 RTP/AVP 8')
    const other = sip('SIP/2.0 200 OK', '', 'v=0', 's=-', 'c=IN IP4 10.0.0.2', 'm=audio 1 RTP/AVP 8')
    expect(shown(one, other)).toEqual([
      ['body', 'c=IN IP4 10.0.0.1', 's=-'],
      ['body', null, 'c=IN IP4 10.0.0.2'],
    ])
  })

  it('say where in a line they differ', () => {
    const [start] = diff('SIP/2.0 180 Ringing', 'SIP/2.0 183 Ringing')
    expect(start?.common).toEqual([10, 8])
  })

  it('that are no SIP are compared as lines', () => {
    expect(shown('a\nb', 'a\nc')).toEqual([['body', 'b', 'c']])
  })
})

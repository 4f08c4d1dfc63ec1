import { describe, expect, it } from 'vitest'
import { explain } from './session'

describe('a description', () => {
  it.each([
    ['m=audio 4000 RTP/AVP 8 0 101', 'audio to port 4000: PCMA, PCMU, telephone-event'],
    ['m=audio 4000 RTP/SAVP 96', 'audio to port 4000: opus, encrypted'],
    ['m=video 0 RTP/AVP 99', 'video is refused or switched off'],
    ['m=image 5000 udptl t38', 'image to port 5000: t38'],
    ['c=IN IP4 0.0.0.0', 'no address: the other side is on hold'],
    ['c=IN IP6 2001:db8::1', 'media to 2001:db8::1'],
    ['a=rtpmap:96 opus/48000/2', '96 is opus at 48000 Hz'],
    ['a=fmtp:101 0-16', 'parameters of telephone-event'],
    ['a=sendonly', 'it only sends: the other side is on hold, or listens'],
    ['a=x-unknown:1', ''],
    ['m=', ' to port : '],
  ])('%s', (line, says) => {
    const rest = 'm=audio 1 RTP/AVP 8\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:96 opus/48000/2\r\n'
    expect(explain(`${line}\r\n${rest}`)[0]).toEqual({ line, says })
  })

  it('is nothing where there is no media', () => {
    expect(explain('hello\r\na=b')).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { dump, ofHex, ofText } from './octets'

describe('octets', () => {
  it.each([
    ['', ''],
    ['A\r\n', '00000000  41 0d 0a                                         |A..|'],
    [
      'SIP/2.0 200 OK\r\né',
      '00000000  53 49 50 2f 32 2e 30 20 32 30 30 20 4f 4b 0d 0a  |SIP/2.0 200 OK..|\n' +
        '00000010  c3 a9                                            |..|',
    ],
  ])('of %j', (text, lines) => expect(dump(ofText(text))).toBe(lines))

  it('are read from hexadecimal', () => expect([...ofHex('00ff1')]).toEqual([0, 255]))
})

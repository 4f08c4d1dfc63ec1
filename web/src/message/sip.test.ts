import { describe, expect, it } from 'vitest'
import { fold, read, tokens, visibleText } from './sip'

const INVITE = [
  'INVITE sip:bob@b SIP/2.0',
  'Via: SIP/2.0/UDP one;branch=z9hG4bK1',
  'Via: SIP/2.0/UDP two;branch=z9hG4bK2',
  'v: SIP/2.0/UDP three',
  'f: "A \\"x\\"" <sip:alice@a>;tag=1',
  'Subject: folded',
  '  here',
  'no colon',
  '',
  'v=0',
  'm=audio 4000 RTP/AVP 8',
  '',
].join('\r\n')

describe('reading', () => {
  const { lines, isSip } = read(INVITE)

  it('knows what each line is', () => {
    expect(isSip).toBe(true)
    expect(lines.map((line) => [line.kind, line.key])).toEqual([
      ['start', ''],
      ['field', 'via'],
      ['field', 'via'],
      ['field', 'via'],
      ['field', 'from'],
      ['field', 'subject'],
      ['field', ''],
      ['blank', ''],
      ['body', 'v'],
      ['body', 'm'],
    ])
    expect(lines[5]?.value).toBe('folded\n  here')
    expect(lines[6]?.value).toBe('no colon')
  })

  it('takes anything', () => {
    for (const text of [
      '',
      '\n',
      'SIP/2.0 ',
      ':\r\n:',
      'INVITE x SIP/2.0',
      'INVITE x SIP/2.0\r\n\r\n\r\n',
      '\u0000',
    ]) {
      expect(read(text).lines.length).toBeGreaterThan(0)
    }
    expect(read('some log').isSip).toBe(false)
  })

  it('folds what proxies repeat', () => {
    const folded = fold(lines, new Set())
    expect(folded[1]).toMatchObject({ folded: 2, index: 1 })
    expect(folded.length).toBe(lines.length - 2)
    expect(fold(lines, new Set(['via'])).length).toBe(lines.length)
  })
})

describe('pieces of a value', () => {
  it.each([
    '"A \\"x\\"" <sip:alice@a:5060;transport=tcp>;tag=1',
    'SIP/2.0/UDP one;rport=5060;branch=z9hG4bK1',
    '',
    '"not closed',
    ';;;===<<<>>>',
  ])('are the value together: %s', (value) => {
    expect(
      tokens(value)
        .map((token) => token.text)
        .join(''),
    ).toBe(value)
  })

  it('are told apart', () => {
    const kinds = tokens('"A" <sip:a@b>;tag=x;q=1').map((token) => token.kind)
    expect(kinds).toEqual(['quoted', '', 'uri', '', 'tag', 'name', '', 'number'])
  })

  it('of a hostile value take no time', () => {
    const started = performance.now()
    for (const value of [
      '"'.repeat(60_000),
      ';tag='.repeat(12_000),
      '"\\'.repeat(1_900),
      'sip:'.repeat(900),
    ]) {
      expect(
        tokens(value)
          .map((token) => token.text)
          .join(''),
      ).toBe(value)
    }
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})

describe('what acts instead of being seen', () => {
  it.each([
    ['a\u202eb', 'a‹U+202E›b'],
    ['\u0000\u001b[2J', '␀␛[2J'],
    ['\u2066x\u2069', '‹U+2066›x‹U+2069›'],
    ['zero\u200bwidth', 'zero‹U+200B›width'],
    ['tab\tand\nline', 'tab\tand\nline'],
    ['<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['Zoë 東京', 'Zoë 東京'],
  ])('%j', (value, expected) => expect(visibleText(value)).toBe(expected))
})

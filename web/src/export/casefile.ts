// One file with everything about a call that opens without a node, a network or a script.

import { escaped } from './svg'
import { partyWhole, resultText } from '../calls/party'
import { payloadText, visibleText } from '../message/sip'
import { STATE_WORDS, text } from '../text'
import { duration, full } from '../time'
import type { Call, Finding, Message } from '../types'

const SHEET = `body{font:14px/1.45 sans-serif;margin:24px;color:#18212b;background:#fff}
pre{background:#f3f5f7;padding:8px 12px;overflow:auto;font-size:12px}summary{cursor:pointer;font-family:monospace}
.cause{font-weight:600;color:#b83200}.remark{color:#5a6675}svg{max-width:100%;height:auto}small{color:#5a6675}`

const shown = (octets: string) => escaped(visibleText(octets))
const lines = (payload: string) => payload.split(/\r?\n/).map(shown).join('\n')

/** The file. `picture` is the ladder as SVG, which is trusted: nobody but us makes it. */
export function caseFile(
  call: Call,
  findings: Finding[],
  picture: string,
  messages: Message[],
  made: number,
): string {
  const title = `${partyWhole(call.from)} → ${partyWhole(call.to)}`
  const facts = [
    STATE_WORDS[call.state],
    resultText(call),
    full(call.started, true) + ' UTC',
    call.duration_us === null ? '' : duration(call.duration_us),
    call.codec ?? '',
    text.messages(call.messages),
  ].filter((fact) => fact !== '')
  const parts = messages.map((message) => {
    const payload = payloadText(message)
    const ends = `${message.src_ip ?? '?'}:${String(message.src_port ?? '')} → ${message.dst_ip ?? '?'}:${String(message.dst_port ?? '')}`
    const first = payload?.split(/\r?\n/, 1)[0] ?? message.protocol_name ?? ''
    return `<details><summary>${shown(`${message.time ?? message.received_at}  ${ends}  ${first.slice(0, 120)}`)}</summary><pre>${
      payload === null ? shown(message.payload_hex ?? '') : lines(payload)
    }</pre></details>`
  })
  const said = findings.map((finding) => `<li class="${escaped(finding.weight)}">${shown(finding.says)}</li>`)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${shown(title)}</title><style>${SHEET}</style></head><body>
<h1>${shown(title)}</h1>
<p>${facts.map(shown).join(' · ')}</p>
<p>${call.legs.map((leg) => `<code>${shown(leg.call_id)}</code>`).join('<br>')}</p>
${said.length > 0 ? `<h2>${escaped(text.explain.label)}</h2><ul>${said.join('')}</ul>` : ''}
<h2>${escaped(text.ladder.label)}</h2>
${picture}
<h2>${escaped(text.export.messages)}</h2>
${parts.join('\n')}
<p><small>${escaped(text.export.made(full(made * 1000, true) + ' UTC'))}</small></p>
</body></html>
`
}

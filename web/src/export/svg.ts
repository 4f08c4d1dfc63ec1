// A ladder as a picture that stands by itself: a layout in, text of an SVG file out.

import { type Layout, laneLabel } from '../ladder/layout'
import { visibleText } from '../message/sip'
import type { Ladder } from '../types'

const GUTTER = 118
const HEAD = 40
const INKS = ['#0062a0', '#a84300', '#00735a', '#9a3b78', '#6c6300', '#4a55b3', '#7d4a35', '#2f6a7b']
const OUTCOMES: Record<string, string> = {
  good: '#00735a',
  bad: '#b83200',
  elsewhere: '#75489f',
  asked: '#0062a0',
}

/** Text for an element or an attribute; what acts instead of being seen was made visible before. */
export const escaped = (text: string) =>
  text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`)

const shown = (text: string) => escaped(visibleText(text))

/** The whole ladder; `time` says what stands at the left of a row. */
export function picture(ladder: Ladder, layout: Layout, time: (place: number) => string): string {
  const width = Math.ceil(GUTTER + layout.width + 20)
  const height = Math.ceil(HEAD + layout.height + 10)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="0 0 ${String(width)} ${String(height)}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
  ]
  for (const { lane, x } of layout.lanes) {
    const at = GUTTER + x
    parts.push(
      `<path d="M${String(at)} ${String(HEAD - 8)}V${String(height)}" stroke="#c3cbd4" stroke-dasharray="1 3"/>`,
      `<text x="${String(at)}" y="20" text-anchor="middle" font-family="monospace" font-size="11">${shown(laneLabel(lane) || '?')}</text>`,
    )
  }
  layout.rows.forEach((row, place) => {
    const arrow = ladder.arrows[row.arrow]
    if (!arrow) return
    const ink = INKS[Number(row.colour)] ?? OUTCOMES[row.colour] ?? '#55606e'
    const [x1, x2, y] = [GUTTER + row.x1, GUTTER + row.x2, HEAD + row.line]
    const back = x2 > x1 ? -8 : 8
    const dash = arrow.kind === 'request' ? '' : ' stroke-dasharray="7 3"'
    const tip = row.loop ? x1 : x2
    const line = row.loop
      ? `M${String(x1)} ${String(y - 9)}H${String(x2)}V${String(y)}H${String(x1)}`
      : `M${String(x1)} ${String(y)}H${String(x2)}`
    const middle = row.loop ? x2 + 8 : (x1 + x2) / 2
    const anchor = row.loop ? 'start' : 'middle'
    const times = row.times > 1 ? ` ×${String(row.times)}` : ''
    parts.push(
      `<text x="${String(GUTTER - 14)}" y="${String(y + 3)}" text-anchor="end" font-family="monospace" font-size="11" fill="#5a6675">${shown(time(place))}</text>`,
      `<path d="${line}" fill="none" stroke="${ink}" stroke-width="1.6"${dash}/>`,
      `<path d="M${String(tip)} ${String(y)}l${String(row.loop ? 8 : back)} -4v8z" fill="${ink}"/>`,
      `<text x="${String(middle)}" y="${String(y - 6)}" text-anchor="${anchor}" fill="${ink}">${shown(arrow.label + times)}</text>`,
    )
    if (row.session)
      parts.push(
        `<text x="${String(middle)}" y="${String(y + 14)}" text-anchor="${anchor}" font-family="monospace" font-size="11" fill="#5a6675">${shown(row.session)}</text>`,
      )
  })
  parts.push('</svg>')
  return parts.join('\n')
}

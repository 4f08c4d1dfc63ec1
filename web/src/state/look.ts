// How a call is shown: what keys change about its ladder, and what stands beside it. In the address it is a list of words,
// each of which stands for one thing that is not as usual.

export const TABS = ['sip', 'session', 'hep', 'seen'] as const
export type Tab = (typeof TABS)[number]
export const LANES = ['address_port', 'address', 'alias', 'merged'] as const
export type Lanes = (typeof LANES)[number]
export const TIMES = ['absolute', 'delta', 'relative'] as const
export type Times = (typeof TIMES)[number]
export const COLOURINGS = ['leg', 'cseq', 'outcome'] as const
export type ColourBy = (typeof COLOURINGS)[number]
export const FORMS = ['read', 'raw', 'octets'] as const
/** SIP as it is read; as it was received; its octets. */
export type Form = (typeof FORMS)[number]

export interface Look {
  lanes: Lanes
  times: Times
  colourBy: ColourBy
  /** Descriptions under arrows. */
  sdp: boolean
  /** Reports, logs and events as well as SIP. */
  reports: boolean
  /** Each transmission of a message, also the second. */
  repeats: boolean
  /** Quality in the place of the message. */
  quality: boolean
  tab: Tab
  form: Form
}

export const USUAL: Look = {
  lanes: 'address_port',
  times: 'absolute',
  colourBy: 'leg',
  sdp: true,
  reports: true,
  repeats: false,
  quality: false,
  tab: 'sip',
  form: 'read',
}

/** What each word says. */
const WORDS: Record<string, Partial<Look>> = {
  address: { lanes: 'address' },
  alias: { lanes: 'alias' },
  merged: { lanes: 'merged' },
  delta: { times: 'delta' },
  relative: { times: 'relative' },
  cseq: { colourBy: 'cseq' },
  outcome: { colourBy: 'outcome' },
  'no-sdp': { sdp: false },
  'no-reports': { reports: false },
  repeats: { repeats: true },
  quality: { quality: true },
  session: { tab: 'session' },
  hep: { tab: 'hep' },
  seen: { tab: 'seen' },
  raw: { form: 'raw' },
  octets: { form: 'octets' },
}

/** Reads the words of an address; what is none is passed over. */
export function readLook(words: string): Look {
  return words.split(',').reduce<Look>((look, word) => ({ ...look, ...WORDS[word] }), USUAL)
}

/** The words that `readLook` reads; none for the usual. */
export function writeLook(look: Look): string {
  const says = (part: Partial<Look>) =>
    Object.entries(part).every(([name, value]) => look[name as keyof Look] === value)
  return Object.keys(WORDS)
    .filter((word) => says(WORDS[word] ?? {}))
    .join(',')
}

/** What of it is kept for the next call: what belongs to the one that is open is not. */
export function lasting(look: Look): Look {
  const { repeats, quality, tab, form } = USUAL
  return { ...look, repeats, quality, tab, form }
}

/** What comes after one of some choices; after the last comes the first. */
export function following<T>(all: readonly T[], now: T): T {
  return all[(all.indexOf(now) + 1) % all.length] ?? now
}

// What a person likes, kept in this browser.

export type Theme = 'system' | 'light' | 'dark'

interface Liked {
  theme: Theme
  dense: boolean
  utc: boolean
  columns: string[]
  widths: Record<string, number>
  recent: string[]
  saved: string[]
  /** How calls are shown, in the words of `Look`. */
  look: string
  /** By what the calls are ordered, as the address has it. */
  sort: string
  /** Names of hosts, by address or by address and port. */
  aliases: Record<string, string>
  pane: number
  explain: boolean
}

const DEFAULTS: Liked = {
  theme: 'system',
  dense: true,
  utc: false,
  columns: [],
  widths: {},
  recent: [],
  saved: [],
  look: '',
  sort: '',
  aliases: {},
  pane: 0.42,
  explain: true,
}
const KEY = 'hepcat'
const RECENT = 12

function load(): Liked {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}')
    return { ...DEFAULTS, ...(kept as Partial<Liked>) }
  } catch {
    // Another program's, or storage is forbidden: the defaults do.
    return { ...DEFAULTS }
  }
}

export const settings: Liked = $state(load())

/** Writes what is liked; where the browser keeps nothing, it lasts as long as the page. */
export function keepSettings() {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings))
  } catch {
    // Forbidden or full.
  }
}

export function remember(query: string) {
  const text = query.trim()
  if (!text) return
  settings.recent = [text, ...settings.recent.filter((other) => other !== text)].slice(0, RECENT)
}

export function toggleSaved(query: string) {
  const text = query.trim()
  if (!text) return
  settings.saved = settings.saved.includes(text)
    ? settings.saved.filter((other) => other !== text)
    : [...settings.saved, text]
}

const THEMES: Theme[] = ['system', 'light', 'dark']

export function nextTheme() {
  settings.theme = THEMES[(THEMES.indexOf(settings.theme) + 1) % THEMES.length] ?? 'system'
}

// Finding words in what is shown of a message.

export type Finder = (shown: string) => boolean

/** Whether what is shown has the words in it, in any case; nothing has none. */
export function finder(words: string): Finder {
  const wanted = words.trim().toLowerCase()
  return (shown) => wanted !== '' && shown.toLowerCase().includes(wanted)
}

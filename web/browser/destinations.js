// A node that relays: to a collector that is down and has a spool, and to one that has none.

import { createServer } from 'node:net'
import { join } from 'node:path'
import { Node, until } from './node.js'
import { freePort } from './proxy.js'

/** Slow enough that replay is seen while it goes on. */
const REPLAY = 25

const CONFIG = (spooled, lost) => `
[[destination]]
name = "homer"
socket = "hep_tcp:127.0.0.1:${spooled}"
spool = { replay_rate = ${REPLAY} }
[[destination]]
name = "standby"
socket = "hep_tcp:127.0.0.1:${lost}"
queue = { frames = 50 }
`

export async function destinations({ program, browser, check, equal, look, pictures }) {
  await check('a destination that is down spools, and replays what it spooled', async () => {
    const [spooled, lost] = [await freePort(), await freePort()]
    const node = await Node.start(program, { more: CONFIG(spooled, lost) })
    const collector = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.resume()
    })
    const sink = (name) => async () => (await node.status()).sinks.find((one) => one.name === name)
    const shots = async (name, shown) => {
      for (const colorScheme of ['light', 'dark']) {
        const context = await browser.newContext({ viewport: { width: 1440, height: 810 }, colorScheme })
        const page = await context.newPage()
        await page.goto(`${node.page}?view=agents`)
        await shown(page)
        await look(page, `destinations, ${name} (${colorScheme})`)
        if (pictures) await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) })
        await context.close()
      }
    }
    const row = (page, name) =>
      page
        .locator('section', { hasText: 'Destinations' })
        .locator('tbody tr')
        .filter({ hasText: name })
        .first()
    try {
      const sent = await node.demo('600x')
      await until('everything to be on disk', sink('homer'), (one) => one.spooled >= sent - 100)
      await until('what is lost to be counted', sink('standby'), (one) => Object.keys(one.dropped).length > 0)
      await shots('destination-down', async (page) => {
        await row(page, 'homer').getByText('○').waitFor()
        await row(page, 'standby').getByText('queue_full').waitFor()
        await row(page, 'homer')
          .getByText(/refused/i)
          .waitFor()
      })
      await new Promise((resolve) => collector.listen(spooled, '127.0.0.1', resolve))
      await until('the collector to be found', sink('homer'), (one) => one.destination.up)
      await shots('destination-replays', async (page) => {
        await row(page, 'homer').getByText('●').waitFor()
        await row(page, 'homer')
          .getByText(/^\s*[1-9]\d* of \d+/)
          .waitFor()
      })
      const half = await sink('homer')()
      equal(half.destination.spool.replayed > 0 && half.spooled > 0, true, 'replay that goes on')
    } finally {
      collector.close()
      await node.stop()
    }
  })
}

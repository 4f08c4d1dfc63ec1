// Nodes that show nothing, each for another reason, and what the page makes of that.

import { join } from 'node:path'
import { Node, until } from './node.js'

const QUARANTINE = `
[[listener]]
name = "strangers"
socket = "hep_tcp:127.0.0.1:0"
unknown_agents = "quarantine"
`

export async function states({ program, browser, check, equal, look, pictures, invite }) {
  const shown = async (node, name, wait) => {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({ viewport: { width: 1440, height: 810 }, colorScheme })
      const page = await context.newPage()
      await page.goto(node.page)
      await wait(page)
      await look(page, `${name} (${colorScheme})`)
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) })
      await context.close()
    }
  }

  await check('a node that keeps nothing says how it would', async () => {
    const node = await Node.start(program, { store: '' })
    try {
      await shown(node, 'no-store', async (page) => {
        await page.getByRole('alert').getByText('This node keeps nothing').waitFor()
        await page.getByText('[store]').waitFor()
      })
    } finally {
      await node.stop()
    }
  })

  await check('who waits in quarantine is seen to wait, and is accepted', async (page) => {
    const node = await Node.start(program, { more: QUARANTINE })
    try {
      await node.send([invite('waiting')], 'strangers')
      const refused = ({ listeners }) => listeners.find((one) => one.name === 'strangers').ledger.refused
      await until(
        'the stranger to be refused',
        () => node.status(),
        (status) => refused(status).quarantine > 0,
      )
      await shown(node, 'none-kept', async (page) => {
        await page.getByText('Frames arrive, and none is kept').waitFor()
        await page.locator('.empty li', { hasText: 'quarantine' }).waitFor()
      })
      await shown(node, 'quarantine', async (page) => {
        await page.getByRole('button', { name: 'Look at the agents' }).click()
        await page.locator('.agents tr.quarantined').getByText('in quarantine').waitFor()
      })
      await page.goto(`${node.page}?view=agents`)
      const agent = page.locator('.agents tbody tr').first()
      await agent.getByText('quarantine 1').waitFor()
      await agent.getByRole('button', { name: 'Accept' }).click()
      await page.locator('.agents tr.accepted').first().waitFor()
      await node.send([invite('welcome')], 'strangers')
      await page.getByRole('button', { name: 'Calls', exact: true }).click()
      await page.locator('[data-row]').first().waitFor()
      equal(await page.locator('[data-row]').count(), 1, 'calls that are kept')
    } finally {
      await node.stop()
    }
  })
}

// A node that has users, in a real browser: signing in and out, and a link to one call.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const PASSWORD = 'correct horse'

/** Runs last: from here on the node asks everybody who they are. */
export async function door({ program, node, browser, check, equal }) {
  const rows = (page) => page.locator('[role=row][data-row]')
  let link = ''

  await check('the first user closes the page, which asks who one is', async (page) => {
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().waitFor()
    const config = join(node.directory, 'hepcat.toml')
    const added = spawnSync(
      program,
      ['user', 'add', 'ann', '--role', 'operator', '--password-stdin', '-c', config],
      { input: PASSWORD },
    )
    equal(added.status, 0, String(added.stderr))
    await page.getByLabel('User').waitFor()
    await page.getByLabel('User').fill('ann')
    await page.getByLabel('Password').fill('wrong horse')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('the password is another').waitFor()
    await page.getByLabel('Password').fill(PASSWORD)
    await page.keyboard.press('Enter')
    await rows(page).first().waitFor()
    equal(await page.evaluate(() => document.cookie), '', 'cookies that a script can read')
  })

  await check('who signed in stays so in another window, and shares a call', async (page) => {
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().click()
    await page.keyboard.press('Enter')
    await page.locator('g.arrow').first().waitFor()
    await page.getByRole('button', { name: 'Who you are' }).click()
    await page.getByText('operator').waitFor()
    await page.getByRole('button', { name: 'Share this call' }).click()
    link = await page.locator('input[readonly]').inputValue()
    equal(link.startsWith(`${node.page}?call=`), true, link)
  })

  await check('a link shows its call to a stranger, and no other', async () => {
    const stranger = await browser.newContext()
    const page = await stranger.newPage()
    await page.goto(link)
    await page.locator('g.arrow').first().waitFor()
    equal(await page.evaluate(() => location.hash), '', 'what stands after # in the address bar')
    await page.goto(`${node.page}?last=ever`)
    await page.locator('g.arrow').first().waitFor()
    await stranger.close()
  })

  await check('who signs out is a stranger again', async (page) => {
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().waitFor()
    await page.getByRole('button', { name: 'Who you are' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('User').waitFor()
    await page.reload()
    await page.getByLabel('User').waitFor()
  })
}

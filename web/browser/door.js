// A node that has users, in a real browser: signing in and out, and a link to one call.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { HOSTILE, harmless } from './hostile.js'

const PASSWORD = 'correct horse'

/** Runs last: from here on the node asks everybody who they are. */
export async function door({ program, node, browser, check, equal, look, pictures }) {
  const rows = (page) => page.locator('[role=row][data-row]')
  let link = ''
  const add = (name, role) => {
    const added = spawnSync(
      program,
      ['user', 'add', name, '--role', role, '--password-stdin', '-c', node.config],
      { input: PASSWORD },
    )
    equal(added.status, 0, String(added.stderr))
  }
  const enter = async (page, name) => {
    await page.getByLabel('User').fill(name)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.keyboard.press('Enter')
  }

  await check('the first user closes the page, which asks who one is', async (page) => {
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().waitFor()
    add('ann', 'operator')
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
    const refused = []
    page.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()))
    await page.goto(`${node.page}?last=ever`)
    await page.locator('g.arrow').first().waitFor()
    equal(refused.join(' '), '', 'what the page asked for in vain')
    await stranger.close()
  })

  await check('links are listed, and an operator is told who reads the audit log', async (page) => {
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().waitFor()
    await page.keyboard.press('5')
    await page.locator('.links tbody tr').first().waitFor()
    equal(await page.locator('.links tbody tr').count(), 1, 'links')
    await page.getByText('ann is operator').waitFor()
    await page.getByText('hepcat user role ann admin').waitFor()
    equal(await page.locator('.audit').count(), 0, 'audit logs')
    await page.locator('.links .call').click()
    await page.locator('g.arrow').first().waitFor()
  })

  await check('an admin sees who opened which call, and revokes a link', async () => {
    add('root', 'admin')
    for (const scheme of ['light', 'dark']) {
      const context = await browser.newContext({
        viewport: { width: 1440, height: 810 },
        colorScheme: scheme,
      })
      const page = await context.newPage()
      await page.goto(`${node.page}?last=ever`)
      await page.getByLabel('User').waitFor()
      if (pictures) await page.screenshot({ path: join(pictures, `sign-in-${scheme}.png`) })
      await enter(page, 'root')
      await rows(page).first().waitFor()
      await page.keyboard.press('F2')
      await page.keyboard.type('audit log')
      await page.keyboard.press('Enter')
      await page.waitForURL(/view=access/)
      await page.locator('.links tbody tr').first().waitFor()
      await page.locator('.audit tbody tr').first().waitFor()
      await look(page, `access (${scheme})`)
      if (pictures) await page.screenshot({ path: join(pictures, `access-${scheme}.png`) })
      await context.close()
    }
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${node.page}?view=access`)
    await enter(page, 'root')
    const opened = page.locator('.audit tbody tr').filter({ hasText: 'opened a call' })
    // A name that somebody typed is text.
    await fetch(`${node.page}api/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: HOSTILE, password: 'wrong horse' }),
    })
    await page.getByLabel('user, address, call or query').fill('hacked')
    await page.locator('.audit tbody tr').filter({ hasText: 'window.hacked=1' }).first().waitFor()
    await harmless(page, equal)
    await page.getByLabel('user, address, call or query').fill('')
    await opened.filter({ hasText: 'ann' }).first().waitFor()
    await page.getByLabel('Which entries').selectOption('sign_in_failed')
    await opened.first().waitFor({ state: 'detached' })
    await page.locator('.audit tbody tr').filter({ hasText: 'failed to sign in' }).first().waitFor()
    await page.getByLabel('Which entries').selectOption('')
    await opened.first().waitFor()
    // The newest stands first.
    const ids = await page.evaluate(async () => {
      const { entries } = await (await fetch('api/v1/audit')).json()
      return entries.map((entry) => entry.id)
    })
    equal(
      ids.every((at, index) => index === 0 || at < ids[index - 1]),
      true,
      'newest first',
    )
    await page.getByLabel('user, address, call or query').fill('no such thing')
    await page.getByText('No entry fits.').waitFor()
    await page.waitForURL(/text=no\+such\+thing/)
    await page.getByLabel('user, address, call or query').fill('ann')
    await opened.first().waitFor()
    await opened.locator('.call').first().click()
    await page.locator('g.arrow').first().waitFor()
    await page.getByRole('button', { name: 'Who you are' }).click()
    await page.getByRole('button', { name: 'Who opened this call' }).click()
    await page.waitForURL(/view=access&text=/)
    await opened.filter({ hasText: 'ann' }).first().waitFor()
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('There is no link.').waitFor()
    await context.close()
    const stranger = await browser.newContext()
    const refused = await stranger.newPage()
    await refused.goto(link)
    await refused.getByText('The link is not good any more').waitFor()
    await stranger.close()
  })

  await check('who signs out is a stranger again', async (page) => {
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().waitFor()
    await page.getByRole('button', { name: 'Who you are' }).click()
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByLabel('User').waitFor()
    await page.reload()
    await page.getByLabel('User').waitFor()
  })
}

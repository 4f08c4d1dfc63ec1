// The page in a real browser, before the real program.
//
//   node browser/run.js PROGRAM CHROMIUM [DIRECTORY FOR PICTURES] [--kept DIRECTORY] [--only PART OF A NAME,…]
//
// With --kept the node has a store that has been filled. With --only only some of the checks are run.
//
// Each check is a line: `ok NAME` or `FAILED NAME`. What the browser complains about fails the check during which it did.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { destinations } from './destinations.js'
import { door } from './door.js'
import { Node, PATIENCE, until } from './node.js'
import { behindProxy } from './proxy.js'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const {
  positionals: [program, browserPath, pictures],
  values: { kept, only },
} = parseArgs({ allowPositionals: true, options: { kept: { type: 'string' }, only: { type: 'string' } } })
const node = await Node.start(program, { kept })
const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' })
context.setDefaultTimeout(PATIENCE)
let complaints = []
let failed = 0

function watch(page) {
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    // What the node refuses is shown by the page; the browser writes it down too.
    const refused = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !refused) complaints.push(message.text())
  })
  return page
}

async function check(name, body) {
  if (only && !only.split(',').some((part) => name.includes(part))) return
  complaints = []
  const page = watch(await context.newPage())
  try {
    await body(page)
    if (complaints.length > 0) throw new Error(complaints.join('\n'))
    console.log(`ok ${name}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED ${name}\n${error.stack}`)
    if (pictures) await page.screenshot({ path: join(pictures, 'failed.png') }).catch(() => undefined)
  }
  await page.close()
}

const equal = (found, wanted, what) => {
  if (found !== wanted) throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`)
}
const rows = (page) => page.locator('[role=row][data-row]')
const open = (page, query) => page.goto(`${node.page}?q=${encodeURIComponent(query)}`)

const invite = (id, user = 'fresh') =>
  `INVITE sip:live@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK${id}\r\nFrom: <sip:${user}@a>;tag=1\r\n` +
  `To: <sip:live@b>\r\nCall-ID: ${id}@a\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n`

/** What axe has to say about what is shown. */
async function faults(page, what) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
      // It takes what stands in the title of an arrow for text that is to be seen.
      rules: { 'label-content-name-mismatch': { enabled: false } },
    }),
  )
  return violations.map(({ id, nodes }) => {
    const where = nodes.slice(0, 3).map((one) => `${one.target} ${one.failureSummary}`)
    return `${what}: ${id}: ${where.join(' | ')}`
  })
}

/** Lists what a query finds, and opens the first. */
async function openFirst(page, query) {
  await open(page, query)
  await rows(page).first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.locator('g.arrow').first().waitFor()
}

try {
  if (!kept)
    await check('without anything received it says how agents are pointed here', async (page) => {
      for (const colorScheme of ['dark', 'light']) {
        await page.emulateMedia({ colorScheme })
        await page.goto(node.page)
        await page.getByText('Nothing received yet').waitFor()
        await page.getByText('OpenSIPS').waitFor()
        await page.getByText('hepcat demo').waitFor()
        if (pictures) await page.screenshot({ path: join(pictures, `empty-${colorScheme}.png`) })
      }
    })

  await check('calls appear by themselves', async (page) => {
    await page.goto(node.page)
    if (kept) await rows(page).first().waitFor()
    else await page.getByText('hepcat demo').waitFor()
    await node.kept(await node.demo('600x'))
    await rows(page).first().waitFor()
    await page.getByText(/^[12]\d\d\+? calls$/).waitFor()
  })

  await check('scrolling loads what is further down', async (page) => {
    await page.goto(node.page)
    await rows(page).first().waitFor()
    await page.keyboard.press('G')
    await page.keyboard.press('G')
    await page.getByText('that is all').waitFor()
  })

  await check('chips and the bar ask, and a fault is said', async (page) => {
    await page.goto(node.page)
    await page.getByRole('button', { name: 'failed', exact: true }).click()
    await page.waitForURL(/q=state%3Afailed/)
    await rows(page).first().waitFor()
    await page.waitForFunction(() =>
      [...document.querySelectorAll('[data-row] .col-state')].every((cell) =>
        cell.textContent?.includes('failed'),
      ),
    )
    await page.keyboard.press('/')
    await page.keyboard.type('user:x metod:INVITE')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('metod').waitFor()
  })

  await check('a brush over the bars chooses a time', async (page) => {
    await page.goto(`${node.page}?last=1h`)
    await page.locator('.strip rect.answered').first().waitFor()
    await rows(page).first().waitFor()
    const { x, y, width } = await page.locator('.strip svg').boundingBox()
    await page.mouse.move(x + width * 0.8, y + 20)
    await page.mouse.down()
    await page.mouse.move(x + width * 0.9, y + 20, { steps: 4 })
    await page.mouse.up()
    await page.waitForURL(/last=\d{4}-.*\.\.\d{4}-/)
    await page.getByText(/^\d\d calls$/).waitFor()
  })

  await check('keys open a call, go through it and back', async (page) => {
    await openFirst(page, 'legs:2 flag:duplicate')
    equal(await page.locator('.leg').count(), 2, 'legs')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.waitForURL(/message=/)
    equal(await page.locator('g.arrow[aria-selected=true]').count(), 1, 'chosen arrows')
    const lanes = await page.locator('.heads .lane').allTextContents()
    equal(
      lanes.every((lane) => lane.includes(':')),
      true,
      'lanes have ports',
    )
    await page.keyboard.press('s')
    await page.waitForFunction(() => !document.querySelector('.heads .lane')?.textContent?.includes(':'))
    await page.keyboard.press('s')
    await page.keyboard.press('s')
    const elsewhere = watch(await context.newPage())
    await elsewhere.goto(page.url())
    await elsewhere.locator('g.arrow[aria-selected=true]').waitFor()
    const label = (of) => of.locator('g.arrow[aria-selected=true]').getAttribute('id')
    equal(await label(elsewhere), await label(page), 'what a pasted address shows')
    await elsewhere.close()
    await page.keyboard.press('Escape')
    await rows(page).first().waitFor()
  })

  await check('every other key does what it is said to do', async (page) => {
    await page.goto(`${node.page}?last=1h`)
    await page.evaluate(() => localStorage.clear())
    await rows(page).first().waitFor()
    const seen = (selector, shown) =>
      page.waitForFunction(
        ([selector, shown]) => (document.querySelector(selector) !== null) === shown,
        [selector, shown],
      )
    const chosen = () => page.locator('[role=row][aria-selected=true]').getAttribute('data-row')
    for (const [key, row] of [
      ['j', '0'],
      ['j', '1'],
      ['k', '0'],
      ['ArrowDown', '1'],
      ['ArrowUp', '0'],
      ['PageDown', '20'],
      ['PageUp', '0'],
      ['End', null],
      ['Home', '0'],
    ]) {
      await page.keyboard.press(key)
      if (row !== null) await page.locator(`[data-row="${row}"][aria-selected=true]`).waitFor()
      else await page.waitForFunction(() => document.querySelector('.list').scrollTop > 0)
    }
    equal(await chosen(), '0', 'the row that is chosen')
    await page.keyboard.press('d')
    await seen('.list.dense', false)
    await page.keyboard.press('d')
    await seen('.list.dense', true)
    const themes = []
    for (let time = 0; time < 3; time += 1) {
      await page.keyboard.press('t')
      themes.push(await page.evaluate(() => document.documentElement.dataset.theme))
    }
    equal(themes.join(' '), 'light dark light', 'themes')
    await page.keyboard.press('z')
    await page.getByRole('button', { name: 'UTC', exact: true }).waitFor()
    await page.keyboard.press('z')
    await page.getByRole('button', { name: 'local time', exact: true }).waitFor()
    await page.keyboard.press('f')
    equal(
      await page.evaluate(() => document.activeElement.getAttribute('role')),
      'combobox',
      'what f leads to',
    )
    await page.keyboard.press('Escape')
    await page.locator('.name').focus()
    for (const [key, view] of [
      ['2', 'overview'],
      ['3', 'agents'],
      ['4', 'registrations'],
      ['5', 'access'],
    ]) {
      await page.keyboard.press(key)
      await page.locator(`.${view}`).first().waitFor()
    }
    await page.keyboard.press('1')
    await rows(page).first().waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).getByText('colour by leg, CSeq or outcome').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    await open(page, 'flag:poor_quality codec:G729')
    await rows(page).first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('l')
    await seen('g.arrow.request', true)
    await seen('g.arrow.report', true)
    await page.keyboard.press('m')
    await seen('g.arrow.report', false)
    await page.keyboard.press('m')
    await seen('g.arrow.report', true)
    await seen('g.arrow text.session', true)
    await page.keyboard.press('d')
    await seen('g.arrow text.session', false)
    await page.keyboard.press('d')
    const time = () => page.locator('g.arrow text.time').nth(1).textContent()
    const times = [await time()]
    for (let turn = 0; turn < 2; turn += 1) {
      await page.keyboard.press('w')
      times.push(await time())
    }
    equal(/^\d\d:\d\d:\d\d/.test(times[0]) && /^\+/.test(times[1]), true, times.join(' '))
    await page.keyboard.press('w')
    equal(await time(), times[0], 'the clock')
    const colour = () => page.locator('g.arrow').first().getAttribute('class')
    const colours = [await colour()]
    for (let turn = 0; turn < 3; turn += 1) {
      await page.keyboard.press('c')
      colours.push(await colour())
    }
    equal(colours[2].includes('c-asked'), true, colours.join(', '))
    equal(colours[3], colours[0], 'the colour after all of them')
    const place = () => page.evaluate(() => new URLSearchParams(location.search).get('message'))
    await page.keyboard.press('j')
    const second = await place()
    await page.keyboard.press('G')
    await page.waitForFunction((before) => !location.search.includes(`message=${before}`), second)
    await page.keyboard.press('g')
    await page.keyboard.press('j')
    equal(await place(), second, 'the second message')
    await page.keyboard.press('k')
    await page.waitForFunction((before) => !location.search.includes(`message=${before}`), second)
    await page.getByText('User-Agent').first().waitFor()
    await page.keyboard.press('r')
    await page.locator('pre', { hasText: 'INVITE sip:' }).waitFor()
    await page.keyboard.press('r')
    await page.locator('pre', { hasText: 'INVITE sip:' }).waitFor({ state: 'detached' })
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.keyboard.press('y')
    await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith('INVITE sip:'))
    await page.keyboard.press('h')
    await rows(page).first().waitFor()
  })

  await check('two messages are compared', async (page) => {
    await openFirst(page, 'flag:hold')
    await page.keyboard.press(' ')
    await page.keyboard.press('j')
    await page.keyboard.press(' ')
    await page.locator('.diff .pair').first().waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.diff').waitFor({ state: 'detached' })
  })

  await check('transmissions are counted, and shown one by one', async (page) => {
    await openFirst(page, 'flag:retransmission state:ended')
    await page.getByText('×4').waitFor()
    const together = await page.locator('g.arrow').count()
    await page.keyboard.press('x')
    await page.waitForFunction((before) => document.querySelectorAll('g.arrow').length > before, together)
  })

  await check('why a call failed is said, and leads to its evidence', async (page) => {
    await openFirst(page, 'status:488')
    await page.getByText(/did not accept the session/).waitFor()
    const before = page.url()
    await page.locator('.explain .evidence button').last().click()
    await page.waitForFunction((url) => location.href !== url && location.search.includes('message='), before)
    await page.keyboard.press('e')
    await page.locator('.explain').waitFor({ state: 'detached' })
    await page.keyboard.press('e')
    await page.locator('.explain').waitFor()
  })

  await check('reports become timelines with an estimate that says what it rests on', async (page) => {
    await openFirst(page, 'flag:poor_quality codec:G729')
    await page.keyboard.press('q')
    await page.locator('.quality .u-over').first().waitFor()
    await page.getByText('MOS at the worst, estimated').first().waitFor()
    await page
      .getByText(/E-model \(ITU-T G\.107\): loss/)
      .first()
      .waitFor()
    await page.getByText('Every report').click()
    equal(await page.locator('.quality details tbody tr').count(), 4, 'reports')
    await page.locator('.quality details tbody button').first().click()
    await page.waitForURL(/message=/)
    await page.keyboard.press('Escape')
    await page.locator('.quality').waitFor({ state: 'detached' })
  })

  await check('a call leaves as every kind of file, and the case file opens alone', async (page) => {
    await openFirst(page, 'status:488')
    const take = async (name) => {
      await page.keyboard.press('o')
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('.export .items').getByText(name).click(),
      ])
      return download.path()
    }
    equal(readFileSync(await take('pcapng')).readUInt32LE(0), 0x0a0d0d0a, 'the head of the packets')
    equal(readFileSync(await take('Text'), 'utf8').includes('488 Not Acceptable Here'), true, 'text')
    equal(readFileSync(await take('JSON'), 'utf8').startsWith('{'), true, 'JSON')
    equal(readFileSync(await take('Ladder (SVG)'), 'utf8').startsWith('<svg '), true, 'a picture')
    const file = await take('Case file')
    const alone = watch(await browser.newPage())
    await alone.route('**/*', (route) =>
      route.request().url().startsWith('data:') ? route.continue() : route.abort(),
    )
    await alone.setContent(readFileSync(file, 'utf8'))
    await alone.getByText(/did not accept the session/).waitFor()
    equal(await alone.locator('svg').count(), 1, 'the ladder')
    equal((await alone.locator('details').count()) > 4, true, 'messages')
    await alone.close()
  })

  await check('the overview counts, and each figure leads to its search', async (page) => {
    await page.goto(`${node.page}?view=overview&last=1h`)
    const tile = page.locator('.tile').filter({ hasText: 'NER' })
    await tile.getByText(/%/).waitFor()
    await page.locator('.lists').getByRole('button', { name: '486', exact: true }).click()
    await page.waitForURL(/q=status%3A486/)
    await rows(page).first().waitFor()
    await page.waitForFunction(() =>
      [...document.querySelectorAll('[data-row] .col-code')].every((cell) =>
        cell.textContent?.includes('486'),
      ),
    )
    await page.goBack()
    await tile.waitFor()
    await tile.click()
    await rows(page).first().waitFor()
  })

  await check('registrations are found', async (page) => {
    await page.goto(node.page)
    await rows(page).first().waitFor()
    await page.keyboard.press('4')
    await page.locator('.registrations tr.registered').first().waitFor()
    await page.locator('.registrations').getByRole('button', { name: 'refused', exact: true }).click()
    await page.locator('.registrations tr.registered').first().waitFor({ state: 'detached' })
    await page.locator('.registrations tr.failed').first().waitFor()
  })

  await check('every command is in the palette', async (page) => {
    await page.goto(node.page)
    await rows(page).first().waitFor()
    await page.keyboard.press('Control+k')
    await page.keyboard.type('overview')
    await page.keyboard.press('Enter')
    await page.waitForURL(/view=overview/)
    await page.keyboard.press('F2')
    const palette = page.getByRole('combobox', { name: 'Commands' })
    await palette.waitFor()
    await page.keyboard.press('Escape')
    await palette.waitFor({ state: 'detached' })
    await page.keyboard.press('1')
    await rows(page).first().waitFor()
  })

  await check('new calls are told as they come', async (page) => {
    await page.goto(node.page)
    await rows(page).first().waitFor()
    await page.keyboard.press('p')
    await node.send([invite('live1'), invite('live2')])
    await page.getByRole('button', { name: '2 new' }).click()
    await page.locator('[data-row]').filter({ hasText: 'fresh' }).first().waitFor()
  })

  for (const scheme of ['light', 'dark'])
    await check(`nothing stands in the way of a screen reader (${scheme})`, async (page) => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' })
      const found = []
      const look = async (what) => found.push(...(await faults(page, what)))
      await page.goto(`${node.page}?last=1h`)
      await rows(page).first().waitFor()
      await look('calls')
      for (const view of ['overview', 'agents', 'registrations']) {
        await page.goto(`${node.page}?view=${view}`)
        await page.locator(`.${view} table`).first().waitFor()
        await look(view)
      }
      await page.goto(`${node.page}?view=access`)
      await page.getByText('Everybody may do everything here').waitFor()
      await page.getByText('There is no link.').waitFor()
      await look('access')
      await openFirst(page, 'flag:poor_quality')
      await page.getByText('User-Agent').first().waitFor()
      await look('a call')
      await page.keyboard.press('q')
      await page.locator('.quality .u-over').first().waitFor()
      await look('quality')
      await page.keyboard.press('?')
      await page.getByRole('dialog').waitFor()
      await look('keys')
      if (found.length > 0) throw new Error(found.join('\n'))
    })

  if (pictures && !only) await takePictures()

  await check('agents, destinations and the ledger are shown, and agents decided about', async (page) => {
    await page.goto(`${node.page}?view=agents`)
    await page.getByText('every frame is accounted for').waitFor()
    const agent = page.locator('.agents tbody tr').filter({ hasText: '2001' }).first()
    await agent.getByText('accepted').waitFor()
    await agent.getByRole('button', { name: 'Refuse' }).click()
    await agent.getByRole('button', { name: 'Forget' }).waitFor()
    await agent.getByRole('button', { name: 'Forget' }).click()
    await agent.getByRole('button', { name: 'Forget' }).waitFor({ state: 'detached' })
    await page.getByText('This node relays to nobody.').waitFor()
    await page.getByRole('button', { name: 'Send a test call' }).click()
    await page.waitForURL(/q=call_id/)
    // The list that was there before goes, and the one call comes.
    await rows(page).nth(1).waitFor({ state: 'detached' })
    await page.locator('[data-row] .col-code').filter({ hasText: '486' }).waitFor()
  })

  await check('a capture that is dropped is taken in', async (page) => {
    await page.goto(node.page)
    await rows(page).first().waitFor()
    const before = (await node.status()).listeners.reduce((sum, one) => sum + one.ledger.received, 0)
    const exported = await page.evaluate(async () => {
      const { calls } = await (await fetch('api/v1/calls?q=status:603&limit=1')).json()
      const answer = await fetch(`api/v1/calls/${calls[0].id}/export?format=pcapng`)
      const data = new DataTransfer()
      data.items.add(new File([await answer.arrayBuffer()], 'declined.pcapng'))
      for (const type of ['dragenter', 'drop'])
        dispatchEvent(new DragEvent(type, { dataTransfer: data, cancelable: true }))
      return calls[0].messages
    })
    await page.getByText(/messages taken in/).waitFor()
    await until(
      'what was imported',
      () => node.status(),
      ({ listeners }) => listeners.reduce((sum, one) => sum + one.ledger.received, 0) >= before + exported,
    )
  })

  await check('hosts have names, and columns of one name are one', async (page) => {
    await page.goto(node.page)
    await page.evaluate(() => localStorage.clear())
    await openFirst(page, 'legs:3')
    const lanes = page.locator('.heads .lane')
    const before = await lanes.count()
    for (const at of [0, 1]) {
      await lanes.nth(at).click()
      await page.keyboard.type('carrier')
      await page.keyboard.press('Enter')
      await page.waitForFunction(
        (at) => document.querySelectorAll('.heads .lane')[at]?.textContent === 'carrier',
        at,
      )
    }
    await page.keyboard.press('s')
    await page.keyboard.press('s')
    await page.waitForFunction(
      (wanted) => document.querySelectorAll('.heads .lane').length === wanted,
      before - 1,
    )
    await page.evaluate(() => localStorage.clear())
  })

  await check('a long ladder has a map to travel in', async (page) => {
    const message = (number) =>
      `${number === 1 ? 'INVITE' : 'INFO'} sip:long@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKlong${number}\r\n` +
      `From: <sip:longest@a>;tag=1\r\nTo: <sip:long@b>${number === 1 ? '' : ';tag=2'}\r\nCall-ID: long@a\r\n` +
      `CSeq: ${number} ${number === 1 ? 'INVITE' : 'INFO'}\r\nContent-Length: 0\r\n\r\n`
    await node.send(Array.from({ length: 200 }, (_, index) => message(index + 1)))
    await openFirst(page, 'user:longest')
    const map = page.locator('svg.map')
    await map.waitFor()
    const { x, y, height } = await map.boundingBox()
    await page.mouse.click(x + 20, y + height - 4)
    await page.locator('#arrow-199').waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('j')
    await page.locator('#arrow-1').waitFor()
  })

  await check('hostile text is text', async (page) => {
    const bad = '<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u202e\u0000\u001b[2J'
    const quoted = bad
      .replaceAll('<', '%3C')
      .replaceAll('>', '%3E')
      .replace(/[\u0000-\u001f]/g, '')
    await node.send([
      `INVITE sip:${quoted}@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK${quoted}\r\n` +
        `From: "${bad}" <sip:evil@a>;tag=1\r\nTo: <sip:bob@b>\r\nCall-ID: hostile@a${bad}\r\nCSeq: 1 INVITE\r\n` +
        `User-Agent: ${bad}\r\nX-${bad}: ${bad}\r\nX-Long: ${'<b>x'.repeat(12_000)}\r\n\r\n${bad}`,
      `SIP/2.0 500 ${bad}\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK${quoted}\r\nFrom: <sip:evil@a>;tag=1\r\n` +
        `To: <sip:bob@b>;tag=2\r\nCall-ID: hostile@a${bad}\r\nCSeq: 1 INVITE\r\nReason: ${bad}\r\n\r\n`,
    ])
    await open(page, 'user:evil')
    await rows(page).first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.locator('g.arrow').first().waitFor()
    await page.getByText('X-Long').waitFor()
    for (const tab of ['HEP', 'SDP', 'Observations']) await page.getByRole('tab', { name: tab }).click()
    equal(await page.evaluate(() => globalThis.hacked), undefined, 'a script of the message')
    equal(await page.locator('main img, main script').count(), 0, 'elements of the message')
    const shown = await page.locator('main').innerText()
    equal(/[\u202e\u0000\u001b]/.test(shown), false, 'what acts is shown')
  })

  const look = async (page, what) => {
    const found = await faults(page, what)
    if (found.length > 0) throw new Error(found.join('\n'))
  }
  await destinations({ program, browser, check, equal, look, pictures })
  await behindProxy({ program, browser, check, equal, invite })
  await door({ program, node, browser, check, equal, look, pictures })
} finally {
  await browser.close()
  await node.stop()
}
process.exit(failed === 0 ? 0 : 1)

/** What the documentation shows. */
async function takePictures() {
  for (const scheme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: { width: 1440, height: 810 }, colorScheme: scheme })
    const take = (name) => page.screenshot({ path: join(pictures, `${name}-${scheme}.png`) })
    await page.goto(`${node.page}?last=1h`)
    await rows(page).first().waitFor()
    await page.locator('.strip rect.answered').first().waitFor()
    await take('calls')
    await openFirst(page, 'legs:3')
    await page.locator('section li').first().waitFor()
    await take('ladder')
    await page.keyboard.press(' ')
    await page.keyboard.press('j')
    await page.keyboard.press(' ')
    await page.locator('.diff .pair').first().waitFor()
    await take('comparison')
    await openFirst(page, 'status:488')
    await page.locator('.explain').waitFor()
    await page.locator('section li').first().waitFor()
    await take('explained')
    await openFirst(page, 'flag:poor_quality codec:G729')
    await page.keyboard.press('q')
    await page.locator('.quality .u-over').first().waitFor()
    await take('quality')
    for (const view of ['overview', 'agents', 'registrations']) {
      await page.goto(`${node.page}?view=${view}&last=1h`)
      await page.locator(`.${view} table`).first().waitFor()
      if (view === 'overview') await page.locator('.strip rect.answered').first().waitFor()
      if (view === 'agents') await page.waitForTimeout(5_000)
      await take(view)
    }
    await page.keyboard.press('F2')
    await page.getByRole('combobox', { name: 'Commands' }).waitFor()
    await take('commands')
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await take('keys')
    await page.close()
  }
}

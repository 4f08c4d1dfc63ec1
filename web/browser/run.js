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
import { hostileText } from './hostile.js'
import { Node, PATIENCE, until } from './node.js'
import { behindProxy } from './proxy.js'
import { states } from './states.js'

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

/** The list, in a browser that has kept nothing. */
async function anew(page, search = '') {
  await page.goto(node.page)
  // What is kept is written when the page has begun.
  await rows(page).first().waitFor()
  await page.evaluate(() => localStorage.clear())
  await page.goto(`${node.page}${search || '?last=24h'}`)
  await rows(page).first().waitFor()
}

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

  await check('the bar completes, remembers, and keeps what is saved', async (page) => {
    await anew(page)
    const bar = page.getByRole('combobox', { name: 'Query' })
    await page.keyboard.press('/')
    await page.keyboard.type('stat')
    const offers = page.getByRole('option')
    await offers.filter({ hasText: 'how far it got' }).waitFor()
    await page.keyboard.press('Tab')
    equal(await bar.inputValue(), 'state:', 'what is completed')
    await page.keyboard.type('fa')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    equal(await bar.inputValue(), 'state:failed', 'what is completed')
    await page.keyboard.press('Enter')
    await page.waitForURL(/q=state%3Afailed/)
    await page.locator('.name').focus()
    await page.keyboard.press('b')
    await page.getByRole('button', { name: 'Save the query', pressed: true }).waitFor()
    await open(page, 'user:+33*')
    await rows(page).first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.press('Enter')
    await open(page, '')
    await rows(page).first().waitFor()
    await bar.click()
    await offers.filter({ hasText: 'user:+33*' }).getByText('Recent').waitFor()
    await offers.filter({ hasText: 'state:failed' }).getByText('Saved').waitFor()
    await offers.filter({ hasText: 'state:failed' }).click()
    await page.waitForURL(/q=state%3Afailed/)
    await page.evaluate(() => localStorage.clear())
  })

  await check('columns are chosen, resized and ordered, and all of it is remembered', async (page) => {
    await anew(page)
    await page.getByRole('button', { name: 'Columns' }).click()
    await page.getByRole('checkbox', { name: 'Ring' }).check()
    await page.getByRole('checkbox', { name: 'Codec' }).uncheck()
    await page.getByRole('button', { name: 'Close' }).click()
    const heading = (name) => page.getByRole('columnheader', { name, exact: true })
    const width = async () => Math.round((await heading('To').boundingBox()).width)
    const before = await width()
    const { x, y, height } = await heading('To').locator('.edge').boundingBox()
    await page.mouse.move(x + 3, y + height / 2)
    await page.mouse.down()
    await page.mouse.move(x + 63, y + height / 2, { steps: 4 })
    await page.mouse.up()
    equal(Math.abs((await width()) - before - 60) < 4, true, 'how much wider it is')
    await heading('Setup').getByRole('button').click()
    await page.waitForURL(/sort=setup/)
    await heading('Setup').getByRole('button').click()
    await page.waitForURL(/sort=-setup/)
    const wide = await width()
    const later = watch(await context.newPage())
    await later.goto(node.page)
    await rows(later).first().waitFor()
    equal(later.url().endsWith('?sort=-setup'), true, later.url())
    equal(await later.getByRole('columnheader', { name: 'Ring' }).count(), 1, 'what was chosen')
    equal(await later.getByRole('columnheader', { name: 'Codec' }).count(), 0, 'what was not')
    const seen = await later.getByRole('columnheader', { name: 'To', exact: true }).boundingBox()
    equal(Math.round(seen.width), wide, 'how wide it is')
    await later.close()
    await page.evaluate(() => localStorage.clear())
  })

  await check('what fails is not asked for in a storm, and what does not answer is said', async (page) => {
    await page.goto(node.page)
    await rows(page).first().waitFor()
    let asked = 0
    const fail = (status, type) => (route) => {
      asked += 1
      return route.fulfill({
        status,
        contentType: 'application/problem+json',
        body: JSON.stringify({ type, title: 'no', status, detail: 'out of order' }),
      })
    }
    const frames = () =>
      page.evaluate(
        () =>
          new Promise((resolve) => {
            let left = 40
            const next = () => ((left -= 1) > 0 ? requestAnimationFrame(next) : resolve())
            next()
          }),
      )
    await page.route(/api\/v1\/calls\?.*cursor=/, fail(503, '/problems/search'))
    await page.keyboard.press('G')
    await until('the next page', () => asked, Boolean)
    await frames()
    equal(asked <= 2, true, `asked ${String(asked)} times`)
    await page.unroute(/api\/v1\/calls\?.*cursor=/)

    asked = 0
    await open(page, 'metod:INVITE')
    await page.getByRole('alert').getByText('metod').waitFor()
    await page.route(/api\/v1\/calls\?/, fail(400, '/problems/query'))
    await frames()
    equal(asked, 0, 'how often it is asked again for what is not understood')
    await page.unroute(/api\/v1\/calls\?/)

    for (const [status, type, said] of [
      [503, '/problems/search', 'The store does not answer'],
      [403, '/problems/forbidden', 'Not allowed'],
    ]) {
      await page.route(/api\/v1\/calls\?/, fail(status, type))
      await page.goto(node.page)
      await page.getByRole('alert').getByText(said).waitFor()
      await page.getByText('out of order').waitFor()
      await page.unroute(/api\/v1\/calls\?/)
    }
    await page.route(/api\/v1\/calls\?/, (route) => route.abort())
    await page.goto(node.page)
    await page.getByRole('alert').getByText('The node does not answer').waitFor()
    await page.unroute(/api\/v1\/calls\?/)
    await rows(page).first().waitFor()
    await page.goto(`${node.page}?call=nothing`)
    await page.getByRole('alert').getByText('No such call').waitFor()
    await page.getByRole('button', { name: 'Back to the calls' }).click()
    await rows(page).first().waitFor()
  })

  await check('where nothing fits it says why, and what to do', async (page) => {
    await open(page, 'user:nobody')
    await page.getByText('No call fits').waitFor()
    await page.getByRole('button', { name: 'Clear the query' }).last().click()
    await rows(page).first().waitFor()
    await page.goto(`${node.page}?last=2020-01-01T00:00:00.000Z..2020-01-02T00:00:00.000Z`)
    await page.getByText('Nothing in this time').waitFor()
    await page.getByText(/What is kept was received between/).waitFor()
    await page
      .getByRole('combobox', { name: 'How far back' })
      .getByText('2020-01-01')
      .waitFor({ state: 'attached' })
    await page.getByRole('button', { name: 'Look at all times' }).click()
    await rows(page).first().waitFor()
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
    const both = page.locator('g.arrow', { has: page.locator('text.session') }).filter({
      has: page.locator('text.delay'),
    })
    await both.first().waitFor()
    equal(/^\s*\+/.test(await both.first().locator('text.delay').textContent()), true, 'the delay')
    equal(await both.first().locator('.tick').count(), 2, 'ticks')
    await page.keyboard.press('s')
    await page.keyboard.press('s')
    await page.keyboard.press('s')
    await page.waitForFunction(() => document.querySelector('.heads .lane')?.textContent?.includes(':'))
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
    await anew(page, '?last=1h')
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
    const waits = () =>
      page.waitForFunction(() => !document.querySelector('.foot')?.textContent?.includes('…'))
    await page.keyboard.press('a')
    await page.waitForURL(/all=1/)
    await page.keyboard.press('a')
    await page.waitForURL((url) => !url.search.includes('all=1'))
    await waits()
    await page.keyboard.press('>')
    await page.waitForURL(/sort=from/)
    await page.keyboard.press('i')
    await page.waitForURL(/sort=-from/)
    await page.locator('[role=columnheader][aria-sort=descending]', { hasText: 'From' }).waitFor()
    await page.keyboard.press('<')
    await page.waitForURL((url) => !url.search.includes('sort='))
    await page.keyboard.press('v')
    await page.getByRole('checkbox', { name: 'State' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('checkbox', { name: 'State' }).waitFor({ state: 'detached' })
    await page.locator('.name').focus()
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
    await page.locator('ol.raw li', { hasText: 'INVITE sip:' }).waitFor()
    await page.keyboard.press('r')
    await page.locator('ol.octets li', { hasText: '00000000  49 4e 56 49 54 45' }).waitFor()
    await page.keyboard.press('r')
    await page.locator('ol.octets').waitFor({ state: 'detached' })
    await page.keyboard.press('v')
    await page.getByRole('tab', { name: 'SDP', selected: true }).waitFor()
    await page.getByText('audio to port').waitFor()
    await page.keyboard.press('v')
    await page.getByText('family of the addresses: IPv4').waitFor()
    await page.keyboard.press('n')
    await page.keyboard.type('_port')
    await page.getByText('2 lines').waitFor()
    equal(await page.locator('.scroll tr.found').count(), 2, 'chunks that are found')
    await page.keyboard.press('Enter')
    await page.locator('.scroll tr.found.now', { hasText: 'src_port' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await page.keyboard.press('v')
    await page.keyboard.press('v')
    await page.getByRole('tab', { name: 'SIP', selected: true }).waitFor()
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
    await tile.getByRole('button').first().click()
    await rows(page).first().waitFor()
    await page.goBack()
    const leads = async (name, wanted) => {
      await page.locator('.tiles').getByRole('button', { name }).click()
      await page.waitForURL(wanted)
      await page.goBack()
      await tile.waitFor()
    }
    await leads(/^\d+ failed/, /q=state%3Afailed/)
    await leads(/^\d+ being set up/, /q=state%3A%28setup/)
    await leads(/^p90/, /q=setup%3E\d+ms/)
    await leads(/^\d+ refused/, /view=registrations.*state=failed/)
    await leads(/Storage left/, /last=ever/)
    const left = page.locator('.tile').filter({ hasText: 'Storage left' })
    for (const [days, says] of [
      [null, 'too early to tell'],
      [41.6, '41.6 days'],
    ]) {
      await page.route('**/api/v1/status', async (route) => {
        const answer = await route.fetch()
        const status = await answer.json()
        status.store.days_left = days
        await route.fulfill({ response: answer, json: status })
      })
      await page.reload()
      await left.getByText(says).waitFor()
      await page.unroute('**/api/v1/status')
    }
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
    await page.waitForFunction(
      () => document.querySelector('.agents tbody svg path').getAttribute('d') !== '',
    )
    const frame = page.locator('section', { hasText: 'Frames that did not decode' })
    await frame.getByText('chunk length 4 is below the 6-octet header').first().waitFor()
    await frame.getByRole('button', { name: 'Octets' }).first().click()
    await frame.locator('li.found', { hasText: '|HEP3' }).waitFor()
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

  await check('hosts have names, and columns of one host are one', async (page) => {
    await anew(page)
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
    // Whoever names a host sees names; the next turn puts columns of one name together.
    await page.waitForURL(/look=alias/)
    equal(await lanes.count(), before, 'columns of one name each')
    await page.keyboard.press('s')
    await page.waitForURL(/look=merged/)
    await page.waitForFunction(
      (wanted) => document.querySelectorAll('.heads .lane').length === wanted,
      before - 1,
    )
    const elsewhere = watch(await context.newPage())
    await elsewhere.goto(page.url())
    await elsewhere.locator('.heads .lane', { hasText: 'carrier' }).waitFor()
    await elsewhere.close()
    await page.keyboard.press('s')
    await page.waitForFunction(() => document.querySelector('.heads .lane')?.textContent?.includes(':'))
    equal(new URL(page.url()).searchParams.get('look'), null, 'what is usual in the address')
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
    // What is said of the call comes later, and moves what is below it.
    await page.locator('.explain').waitFor()
    const { x, y, height } = await map.boundingBox()
    await page.mouse.click(x + 20, y + height - 4)
    await page.locator('#arrow-199').waitFor()
    for (const colorScheme of pictures ? ['light', 'dark'] : []) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: join(pictures, `long-ladder-${colorScheme}.png`) })
    }
    await page.keyboard.press('g')
    await page.keyboard.press('j')
    await page.locator('#arrow-1').waitFor()
  })

  await check('one time zone is bound everywhere', async (page) => {
    await page.close()
    const tokyo = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      timezoneId: 'Asia/Tokyo',
    })
    const far = watch(await tokyo.newPage())
    await open(far, 'flag:poor_quality codec:G729')
    await rows(far).first().dblclick()
    await far.getByText('User-Agent').first().waitFor()
    const hours = async () => {
      const places = ['g.arrow text.time', '.about span:nth-child(2)', 'header .second span']
      const shown = await Promise.all(places.map((place) => far.locator(place).first().textContent()))
      return shown.map((time) => Number(/(\d\d):\d\d:\d\d/.exec(time)[1]))
    }
    const here = await hours()
    await far.keyboard.press('z')
    await far.getByRole('button', { name: 'UTC', exact: true }).waitFor()
    const there = await hours()
    equal(
      here.every((hour, at) => hour === (there[at] + 9) % 24),
      true,
      `${here.join(' ')} and ${there.join(' ')}`,
    )
    await tokyo.close()
  })

  await hostileText({ node, browser, watch, check, equal, openFirst })

  const look = async (page, what) => {
    const found = await faults(page, what)
    if (found.length > 0) throw new Error(found.join('\n'))
  }
  await states({ program, browser, check, equal, look, pictures, invite })
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
    await page.keyboard.press('r')
    await page.keyboard.press('r')
    await page.locator('ol.octets').waitFor()
    await take('octets')
    await page.getByRole('tab', { name: 'HEP' }).click()
    await page.getByText('family of the addresses: IPv4').waitFor()
    await take('chunks')
    await page.keyboard.press('o')
    await page.locator('.export .items').waitFor()
    await take('export')
    await open(page, 'state:failed metod:INVITE')
    await page.getByRole('alert').waitFor()
    await take('fault')
    await open(page, 'user:nobody')
    await page.getByText('No call fits').waitFor()
    await take('none-match')
    await page.goto(`${node.page}?last=2020-01-01T00:00:00.000Z..2020-01-02T00:00:00.000Z`)
    await page.getByText(/What is kept was received/).waitFor()
    await take('none-in-range')
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

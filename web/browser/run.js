// The page in a real browser, before the real program.
//
//   node browser/run.js PROGRAM CHROMIUM [DIRECTORY FOR PICTURES]
//
// Each check is a line: `ok NAME` or `FAILED NAME`. What the browser complains about fails the check during which it did.

import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Node, PATIENCE } from './node.js'

const [program, browserPath, pictures] = process.argv.slice(2)
const node = await Node.start(program)
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

/** Lists what a query finds, and opens the first. */
async function openFirst(page, query) {
  await open(page, query)
  await rows(page).first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.locator('g.arrow').first().waitFor()
}

try {
  await check('without anything received it says how agents are pointed here', async (page) => {
    await page.goto(node.page)
    await page.getByText('OpenSIPS').waitFor()
    await page.getByText('hepcat demo').waitFor()
  })

  await check('calls appear by themselves', async (page) => {
    await page.goto(node.page)
    await page.getByText('hepcat demo').waitFor()
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
    const elsewhere = watch(await context.newPage())
    await elsewhere.goto(page.url())
    await elsewhere.locator('g.arrow[aria-selected=true]').waitFor()
    const label = (of) => of.locator('g.arrow[aria-selected=true]').getAttribute('id')
    equal(await label(elsewhere), await label(page), 'what a pasted address shows')
    await elsewhere.close()
    await page.keyboard.press('Escape')
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

  if (pictures) await takePictures()

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
    await page.close()
  }
}

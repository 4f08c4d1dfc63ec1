// How fast the page is, in a real browser, before the real program with a store that has been filled.
//
//   node browser/figures.js PROGRAM CHROMIUM DIRECTORY GENERATOR
//
// DIRECTORY is a data directory with many messages; GENERATOR sends calls (`GENERATOR gen-calls --target …`). Prints what
// it does, and at the end a line `figures {…}`: times in milliseconds, tasks of the main thread above 50 ms by what was
// done meanwhile.

import { spawn } from 'node:child_process'
import { chromium } from 'playwright-core'
import { Node, PATIENCE, until } from './node.js'

/** Messages of the calls that are opened, and of the one that is scrolled. */
const SMALL = 50
const LARGE = 5_000
/** How often each opening is measured. */
const TIMES = 9
/** Messages per second that arrive meanwhile, and for how long it is scrolled. */
const RATE = 500
const SECONDS = 20
/** Pages of the list of calls that are scrolled through: 200 calls each. */
const PAGES = 50

const [program, browserPath, directory, generator] = process.argv.slice(2)
const viewport = { width: 1440, height: 900 }
const node = await Node.start(program, { kept: directory })
const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
const figures = { first_list: {}, ladder: {}, long_tasks: {}, frames: {} }

/** Runs in the page before anything of it: when something is painted, and which tasks are long. */
function instruments() {
  globalThis.longTasks = []
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) globalThis.longTasks.push([one.startTime, one.duration])
  }).observe({ type: 'longtask', buffered: true })
  /** When the frame is painted that first has `count` of these; milliseconds since the page was asked for. */
  globalThis.painted = (selector, count = 1) =>
    new Promise((resolve) => {
      const look = () => {
        if (document.querySelectorAll(selector).length < count) return false
        requestAnimationFrame(() => {
          const after = new MessageChannel()
          after.port1.onmessage = () => resolve(performance.now())
          after.port2.postMessage(0)
        })
        return true
      }
      if (look()) return
      const watching = new MutationObserver(() => {
        if (look()) watching.disconnect()
      })
      watching.observe(document, { childList: true, subtree: true })
    })
  globalThis.firstRow = globalThis.painted('[role=row][data-row]')
  /** Milliseconds between frames from now on. */
  globalThis.countFrames = () => {
    const between = []
    let before = performance.now()
    const next = (now) => {
      between.push(now - before)
      before = now
      requestAnimationFrame(next)
    }
    requestAnimationFrame(next)
    globalThis.frames_ = between
  }
}

async function fresh() {
  const context = await browser.newContext({ viewport })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  await page.addInitScript(instruments)
  return page
}

const done = (page) => page.context().close()
const rows = (page) => page.locator('[role=row][data-row]')
const sorted = (numbers) => [...numbers].sort((one, other) => one - other)
const at = (numbers, share) => sorted(numbers)[Math.ceil(share * numbers.length) - 1] ?? null
const summary = (millis) => ({
  median: at(millis, 0.5),
  most: at(millis, 1),
  single: millis.map((one) => Math.round(one)),
})

/** The messages of one call, of which the last is answered: nothing is asked for again. */
function callOf(name, count) {
  const message = (start, cseq, tag) =>
    `${start}\r\nVia: SIP/2.0/UDP 198.51.100.66;branch=z9hG4bK${name}${cseq.split(' ')[0]}\r\n` +
    `From: <sip:${name}@a.example>;tag=1\r\nTo: <sip:called@b.example>${tag}\r\nCall-ID: ${name}@a.example\r\n` +
    `CSeq: ${cseq}\r\nUser-Agent: figures\r\nContent-Length: 0\r\n\r\n`
  const all = []
  for (let number = 1; all.length < count; number += 1) {
    const method = number === 1 ? 'INVITE' : 'INFO'
    const tag = number === 1 ? '' : ';tag=2'
    all.push({ payload: message(`${method} sip:called@b.example SIP/2.0`, `${number} ${method}`, tag) })
    all.push({ payload: message('SIP/2.0 200 OK', `${number} ${method}`, ';tag=2'), back: true })
    if (number === 1)
      all.push({ payload: message('ACK sip:called@b.example SIP/2.0', `${number} ACK`, ';tag=2') })
  }
  return all.slice(0, count)
}

/** Milliseconds from asking for the page to the first calls, painted. */
async function firstList(search) {
  const page = await fresh()
  await page.goto(`${node.page}${search}`)
  const took = await page.evaluate(() => globalThis.firstRow)
  await done(page)
  return took
}

/** Milliseconds from the click to all that is seen of a ladder, painted. */
async function ladderOf(user, arrows) {
  const page = await fresh()
  await page.goto(`${node.page}?last=ever&q=${encodeURIComponent(`user:${user}`)}`)
  await rows(page).first().waitFor()
  const took = page.evaluate(async (arrows) => {
    const pressed = new Promise((resolve) =>
      addEventListener('dblclick', (event) => resolve(event.timeStamp), { capture: true, once: true }),
    )
    const ended = globalThis.painted('g.arrow', arrows)
    return (await ended) - (await pressed)
  }, arrows)
  await rows(page).first().dblclick()
  const millis = await took
  await done(page)
  return millis
}

/** Tasks above 50 ms while `body` runs, and how even the frames were. */
async function watched(page, name, body) {
  const begun = await page.evaluate(() => {
    globalThis.countFrames()
    return performance.now()
  })
  await body()
  const seen = await page.evaluate((begun) => {
    const long = globalThis.longTasks.filter(([start]) => start >= begun)
    return { long: long.map(([, took]) => Math.round(took)), frames: globalThis.frames_ }
  }, begun)
  figures.long_tasks[name] = seen.long
  figures.frames[name] = { count: seen.frames.length, p95: at(seen.frames, 0.95), most: at(seen.frames, 1) }
  console.log(
    `${name}: ${seen.long.length} tasks above 50 ms (${seen.long.join(' ')}), ${seen.frames.length} frames, ` +
      `95 % of them within ${at(seen.frames, 0.95)?.toFixed(0)} ms, all within ${at(seen.frames, 1)?.toFixed(0)} ms`,
  )
}

/** Calls that arrive while `body` runs. */
async function whileArriving(body) {
  const target = await node.listener('tcp')
  const before = (await node.status()).listeners.reduce((sum, one) => sum + one.ledger.received, 0)
  const arguments_ = ['gen-calls', '--target', target, '--rate', RATE, '--seconds', SECONDS + 30]
  const sending = spawn(generator, arguments_.map(String), { stdio: 'ignore' })
  const ended = new Promise((resolve) => sending.on('exit', resolve))
  await until(
    'the first calls to arrive',
    () => node.status(),
    ({ listeners }) => listeners.reduce((sum, one) => sum + one.ledger.received, 0) > before + 2 * RATE,
  )
  await body()
  const { listeners } = await node.status()
  const came = listeners.reduce((sum, one) => sum + one.ledger.received, 0) - before
  sending.kill('SIGTERM')
  await ended
  console.log(`${came} messages arrived meanwhile`)
  return came
}

async function wheel(page, seconds, up = false) {
  const end = Date.now() + seconds * 1000
  while (Date.now() < end) {
    await page.mouse.wheel(0, up ? -240 : 240)
    await page.waitForTimeout(16)
  }
}

try {
  figures.rows = (await node.status()).store?.rows ?? null
  console.log(`${figures.rows} rows are kept`)
  const kept = (await node.status()).sinks.find((sink) => sink.name === 'store').delivered
  const names = Array.from({ length: TIMES }, (_, number) => `small${number}`)
  for (const name of names) await node.send(callOf(name, SMALL))
  await node.send(callOf('large', LARGE))
  await node.kept(kept + TIMES * SMALL + LARGE)

  for (const [name, search] of [
    ['a day', ''],
    ['everything', '?last=ever'],
  ]) {
    const millis = []
    for (let time = 0; time < TIMES; time += 1) millis.push(await firstList(search))
    figures.first_list[name] = summary(millis)
    console.log(`first list of ${name}: ${JSON.stringify(figures.first_list[name])}`)
  }
  const ladders = async (what) => {
    const millis = []
    // As many arrows as are drawn at once: those below are drawn when they come into view.
    for (const name of names) millis.push(await ladderOf(name, 20))
    figures.ladder[what] = summary(millis)
    console.log(`ladder of ${SMALL} messages, ${what}: ${JSON.stringify(figures.ladder[what])}`)
  }
  await ladders('just received')
  await node.restart()
  await ladders('after a restart, from segments')

  {
    const page = await fresh()
    await page.goto(`${node.page}?last=ever`)
    await rows(page).first().waitFor()
    await page.mouse.move(700, 500)
    await watched(page, 'the list scrolled', async () => {
      for (let number = 0; number < PAGES; number += 1) {
        const before = await page.evaluate(() => {
          const list = document.querySelector('.list')
          list.scrollTo({ top: list.scrollHeight })
          return Number(list.ariaRowCount)
        })
        const grown = await page.waitForFunction((before) => {
          const list = document.querySelector('.list')
          if (Number(list.ariaRowCount) > before) return 'more'
          return list.querySelector('.foot').textContent.includes('that is all') && 'all'
        }, before)
        // A store of a million messages has more than that many pages.
        if ((await grown.jsonValue()) === 'all') break
      }
      await wheel(page, 3, true)
    })
    figures.list_rows = await page.evaluate(() => Number(document.querySelector('.list').ariaRowCount))
    console.log(`${figures.list_rows} calls were loaded`)
    await done(page)
  }

  await whileArriving(async () => {
    const page = await fresh()
    await page.goto(node.page)
    await rows(page).first().waitFor()
    await watched(page, 'the list while calls arrive', () => page.waitForTimeout((SECONDS / 2) * 1000))
    await done(page)
  })

  await whileArriving(async () => {
    const page = await fresh()
    await page.goto(`${node.page}?last=ever&q=user%3Alarge`)
    await rows(page).first().waitFor()
    await page.evaluate(() => void (globalThis.opened = globalThis.painted('g.arrow', 20)))
    const begun = await page.evaluate(() => performance.now())
    await rows(page).first().dblclick()
    figures.large_opened = (await page.evaluate(() => globalThis.opened)) - begun
    console.log(`the ladder of ${LARGE} messages opened in ${figures.large_opened.toFixed(0)} ms`)
    await page.mouse.move(500, 500)
    await watched(page, `${LARGE} messages scrolled while calls arrive`, async () => {
      await wheel(page, SECONDS * 0.6)
      await wheel(page, SECONDS * 0.4, true)
    })
    await done(page)
  })
  console.log(`figures ${JSON.stringify(figures)}`)
} finally {
  await browser.close()
  await node.stop()
}

// Text that strangers wrote, on every screen and in every file that the page makes: it is shown, and does nothing.

import { readFileSync } from 'node:fs'

export const HOSTILE =
  '<script>window.hacked=1</script><img src=x onerror=window.hacked=1>\u202e\u2066\u0000\u001b[2J\u009b31m'
/** What acts instead of being seen. */
const ACTS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

/** That nothing which is shown was taken for anything but text. */
export async function harmless(page, equal) {
  equal(await page.evaluate(() => globalThis.hacked), undefined, 'a script of the message')
  equal(await page.locator('main img, main script').count(), 0, 'elements of the message')
  equal(ACTS.exec(await page.locator('body').innerText()), null, 'what acts is shown')
}

/** Where only what an address may have can stand. */
const quoted = HOSTILE.replaceAll('<', '%3C')
  .replaceAll('>', '%3E')
  .replace(/[\u0000-\u001f]/g, '')

function message(start, { call, cseq, from = 'evil', to = '', more = '' }) {
  return (
    `${start}\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK${cseq}${quoted}\r\nFrom: "${HOSTILE}" <sip:${from}@a>;tag=1\r\n` +
    `To: "${HOSTILE}" <sip:bob${quoted}@b>${to}\r\nCall-ID: ${call}@a${HOSTILE}\r\nCSeq: ${cseq}\r\n` +
    `Contact: <sip:${quoted}@c>;expires=60\r\nP-Asserted-Identity: "${HOSTILE}" <sip:${quoted}@d>\r\n` +
    `Diversion: <sip:${quoted}@e>;reason=${HOSTILE}\r\nReason: SIP;cause=500;text="${HOSTILE}"\r\n` +
    `Warning: 399 h "${HOSTILE}"\r\nUser-Agent: ${HOSTILE}\r\nServer: ${HOSTILE}\r\nSubject: ${HOSTILE}\r\n` +
    `X-${HOSTILE}: ${HOSTILE}\r\n${more}\r\n`
  )
}

export async function hostileText({ node, browser, watch, check, equal, openFirst }) {
  const take = async (page, name) => {
    await page.keyboard.press('o')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('.export .items').getByText(name).click(),
    ])
    return readFileSync(await download.path(), 'utf8')
  }

  await check('hostile text is text', async (page) => {
    const sdp =
      `Content-Type: application/sdp\r\n\r\nv=0\r\no=${HOSTILE} 1 1 IN IP4 ${HOSTILE}\r\ns=${HOSTILE}\r\nc=IN IP4 192.0.2.1\r\n` +
      `m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 ${quoted}/8000\r\na=${HOSTILE}`
    await node.send([
      message(`INVITE sip:${quoted}@b SIP/2.0`, { call: 'hostile', cseq: '1 INVITE', more: sdp }),
      {
        payload: message(`SIP/2.0 500 ${HOSTILE}`, { call: 'hostile', cseq: '1 INVITE', to: ';tag=2' }),
        back: true,
      },
    ])
    await openFirst(page, 'user:evil')
    await page.locator('.explain').waitFor()
    await page.getByText('Subject').first().waitFor()
    await harmless(page, equal)
    for (const tab of ['HEP', 'SDP', 'Observations']) {
      await page.getByRole('tab', { name: tab }).click()
      await harmless(page, equal)
    }
    // Files of it open elsewhere, where no policy of ours holds.
    const picture = await take(page, 'Ladder (SVG)')
    equal(ACTS.exec(picture), null, 'what acts in a picture')
    // The policy of the page lets nobody read markup, not even here.
    const alone = watch(await browser.newPage())
    const elements = await alone.evaluate((text) => {
      const parsed = new DOMParser().parseFromString(text, 'image/svg+xml')
      return [...parsed.querySelectorAll('script, img, image, a, foreignObject, parsererror')].length
    }, picture)
    equal(elements, 0, 'what is no drawing in a picture')
    const file = await take(page, 'Case file')
    equal(ACTS.exec(file), null, 'what acts in a case file')
    await alone.setContent(file)
    await alone.locator('svg').first().waitFor()
    equal(await alone.evaluate(() => globalThis.hacked), undefined, 'a script in a case file')
    equal(await alone.locator('img, script, iframe, object').count(), 0, 'elements in a case file')
    equal(ACTS.exec(await alone.locator('body').innerText()), null, 'what acts in a case file')
    await alone.close()
    const text = await take(page, 'Text')
    equal(ACTS.exec(text.replaceAll('\r\n', '\n')), null, 'what acts in a text')
  })

  await check('fields as long as a frame are shown', async (page) => {
    const long = '<b>x'.repeat(14_500)
    for (const [number, field] of ['User-Agent', 'Subject', 'Reason', 'Contact', 'X-Long'].entries()) {
      await node.send([
        `INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKlarge${number}\r\nFrom: <sip:large${number}@a>;tag=1\r\n` +
          `To: <sip:b@b>\r\nCall-ID: large${number}@a\r\nCSeq: 1 INVITE\r\n${field}: ${long}\r\nContent-Length: 0\r\n\r\n`,
      ])
      await openFirst(page, `user:large${number}`)
      await page.getByText('<b>x<b>x').first().waitFor()
      equal(await page.locator('main b').count(), 0, field)
    }
  })

  await check('hostile text is text on the other screens', async (page) => {
    await node.send([
      message(`REGISTER sip:${quoted} SIP/2.0`, { call: 'registers', cseq: '1 REGISTER', from: 'hacked' }),
      {
        payload: message(`SIP/2.0 403 ${HOSTILE}`, { call: 'registers', cseq: '1 REGISTER', from: 'hacked' }),
        back: true,
      },
    ])
    for (const view of ['registrations', 'overview', 'agents']) {
      await page.goto(`${node.page}?view=${view}&last=1h`)
      await page.locator(`.${view} table`).first().waitFor()
      await harmless(page, equal)
    }
    await page.goto(`${node.page}?q=${encodeURIComponent(`from:"${HOSTILE.slice(0, 20)}`)}`)
    await page.locator('main').waitFor()
    await harmless(page, equal)
  })
}

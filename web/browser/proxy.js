// The page below a path, behind Debian's nginx: the page, the interface, what is told as it happens, and signing in.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Node, until } from './node.js'

const NGINX = '/usr/sbin/nginx'
const PATH = '/hepcat/'
const PASSWORD = 'correct horse'

/** As docs/access.md has it, below another path. */
const CONFIG = (directory, port, node) => `
daemon off;
pid ${directory}/pid;
error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen 127.0.0.1:${port};
    location ${PATH} {
      proxy_pass ${node};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      client_max_body_size 32m;
    }
  }
}
`

/** A port of loopback that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

export async function behindProxy({ program, browser, check, equal, invite }) {
  if (!existsSync(NGINX)) {
    console.log(`left out, as ${NGINX} is missing: the page behind a proxy`)
    return
  }
  await check('it works below a path of a proxy', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hepcat-proxy-'))
    const data = join(directory, 'data')
    // Where it trusts a proxy a node wants a user before it starts.
    const user = (...words) => {
      const done = spawnSync(program, ['user', ...words, '--data-dir', data], { input: PASSWORD })
      equal(done.status, 0, String(done.stderr))
      return String(done.stdout).trim()
    }
    user('add', 'ann', '--role', 'operator', '--password-stdin')
    const node = await Node.start(program, {
      kept: data,
      http: 'trusted_proxies = ["127.0.0.1"]\nmasking = { operator = ["numbers"] }',
    })
    node.token = user('token', 'add', 'ann', '--name', 'test', '--scopes', 'see')
    const port = await freePort()
    const config = join(directory, 'nginx.conf')
    writeFileSync(config, CONFIG(directory, port, node.page))
    const nginx = spawn(NGINX, ['-p', directory, '-c', config], { stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = new Promise((resolve) => nginx.on('exit', resolve))
    const context = await browser.newContext()
    try {
      const root = `http://127.0.0.1:${port}${PATH}`
      await until(
        'nginx',
        () =>
          fetch(`${root}healthz`).then(
            (answer) => answer.ok,
            () => false,
          ),
        Boolean,
      )
      const page = await context.newPage()
      const elsewhere = []
      page.on('request', (request) => {
        if (!request.url().startsWith(root)) elsewhere.push(request.url())
      })
      await page.goto(root)
      await page.getByLabel('User').fill('ann')
      await page.getByLabel('Password').fill(PASSWORD)
      await page.keyboard.press('Enter')
      await page.getByText('hepcat demo').waitFor()
      const [cookie] = await context.cookies(`${root}api/v1/session`)
      equal(cookie.path, `${PATH}api/v1`, 'where browsers send the cookie')
      equal(cookie.httpOnly && cookie.sameSite === 'Strict', true, 'who else gets the cookie')
      // What comes is told through the proxy as it comes.
      const told = page.evaluate(
        () =>
          new Promise((resolve) => {
            const stream = new EventSource('api/v1/calls/live')
            stream.onopen = () => (globalThis.heard = true)
            stream.addEventListener('calls', () => {
              stream.close()
              resolve(true)
            })
          }),
      )
      await page.waitForFunction(() => globalThis.heard === true)
      await node.send([invite('behind1', '33123456789')])
      equal(await told, true, 'a call that is told of')
      const row = page.locator('[data-row]').filter({ hasText: '3312345****' }).first()
      await row.dblclick()
      await page.locator('g.arrow').first().waitFor()
      equal(page.url().startsWith(`${root}?call=`), true, page.url())
      await page.keyboard.press('o')
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('.export .items').getByText('pcapng').click(),
      ])
      equal(download.url().startsWith(`${root}api/v1/`), true, download.url())
      // A case file has what its maker gets to see, and no more.
      await page.keyboard.press('o')
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('.export .items').getByText('Case file').click(),
      ])
      const masked = readFileSync(await file.path(), 'utf8')
      equal(masked.includes('3312345****'), true, 'the call in its case file')
      equal(masked.includes('33123456789'), false, 'a hidden number in a case file')
      await page.getByRole('button', { name: 'Who you are' }).click()
      await page.getByRole('button', { name: 'Share this call' }).click()
      const link = await page.locator('input[readonly]').inputValue()
      equal(link.startsWith(`${root}?call=`), true, link)
      await page.getByRole('button', { name: 'Sign out', exact: true }).click()
      await page.getByLabel('User').waitFor()
      equal((await context.cookies()).length, 0, 'cookies after signing out')
      await page.goto(link)
      await page.locator('g.arrow').first().waitFor()
      equal(elsewhere.join(' '), '', 'what was asked for elsewhere')
    } finally {
      await context.close()
      nginx.kill('SIGQUIT')
      await ended
      await node.stop()
      rmSync(directory, { recursive: true, force: true })
    }
  })
}

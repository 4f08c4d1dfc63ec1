// The program that is tested: a node with a store and free ports, and what is sent to it.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `http` goes to its table, `more` behind everything; without `store` it keeps nothing. */
const CONFIG = (directory, { http = '', more = '', store = '[store]' }) => `
[node]
data_dir = ${JSON.stringify(directory)}
${store}
[http]
listen = "127.0.0.1:0"
${http}
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
${more}
`
/** How long anything may take on a machine that has other things to do. */
export const PATIENCE = 30_000

/** Asks again and again until `done` likes the answer. */
export async function until(what, ask, done) {
  const end = Date.now() + PATIENCE
  for (;;) {
    const answer = await ask()
    if (done(answer)) return answer
    if (Date.now() > end) throw new Error(`waited for ${what}: ${JSON.stringify(answer)?.slice(0, 400)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export class Node {
  /** A node with a data directory of its own, or with one that has been filled. */
  static async start(binary, { kept, ...more } = {}) {
    const node = new Node()
    node.binary = binary
    node.directory = mkdtempSync(join(tmpdir(), 'hepcat-browser-'))
    writeFileSync(node.config, CONFIG(kept ?? join(node.directory, 'data'), more))
    await node.#run()
    return node
  }

  get config() {
    return join(this.directory, 'hepcat.toml')
  }

  /** Ends it and starts it again: what it has is in files then. Its addresses are others. */
  async restart() {
    await this.#end()
    await this.#run()
  }

  async #run() {
    this.child = spawn(this.binary, ['run', '-c', this.config], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => (said += text))
    const page = () => /http:\/\/(127\.0\.0\.1:\d+)/.exec(said)?.[1]
    const address = await until(
      'the node',
      () => page() ?? this.child.exitCode,
      (it) => typeof it === 'string',
    )
    this.page = `http://${address}/`
    await until(
      'readiness',
      () =>
        fetch(`${this.page}readyz`).then(
          (it) => it.ok,
          () => false,
        ),
      Boolean,
    )
  }

  status() {
    // A node with users wants to know who asks.
    const headers = this.token ? { authorization: `Bearer ${this.token}` } : {}
    return fetch(`${this.page}api/v1/status`, { headers }).then((answer) => answer.json())
  }

  async listener(name) {
    const { listeners } = await this.status()
    return listeners.find((listener) => listener.name === name).address
  }

  /** Waits until the store has everything that came. */
  async kept(messages) {
    const has = (status) => status.sinks.find((sink) => sink.name === 'store')?.delivered >= messages
    await until('everything to be kept', () => this.status(), has)
  }

  /** Plays the demonstration; gives how many messages that were. */
  async demo(speed) {
    const to = [`--to=hep_udp:${await this.listener('udp')}`, `--to=hep_tcp:${await this.listener('tcp')}`]
    const demo = spawn(this.binary, ['demo', '--json', '--seed=5', `--speed=${speed}`, ...to], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    demo.stdout.on('data', (text) => (said += text))
    const code = await new Promise((resolve) => demo.on('exit', resolve))
    if (code !== 0) throw new Error(`hepcat demo ended with ${code}`)
    return JSON.parse(said).messages
  }

  /**
   * Sends SIP as HEP version 3 to a listener for TCP, one microsecond after the other. A payload may stand in an object with `back`
   * where it goes the other way.
   */
  async send(payloads, listener = 'tcp') {
    const [host, port] = (await this.listener(listener)).split(':')
    const socket = connect(Number(port), host)
    const begun = Date.now() * 1000
    const frames = payloads.map((one, index) => {
      const { payload, back } = typeof one === 'string' ? { payload: one, back: false } : one
      return hep3(Buffer.from(payload), begun + index, back)
    })
    await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', resolve)
      socket.on('connect', () => socket.end(Buffer.concat(frames)))
      socket.resume()
    })
  }

  async #end() {
    const ended = new Promise((resolve) => this.child.on('exit', resolve))
    this.child.kill('SIGTERM')
    await ended
  }

  async stop() {
    await this.#end()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/**
 * A frame of version 3 (HEP3 rev. 37): generic chunks, each with vendor 0, type and length in front. `micros` is when it
 * was captured, since 1970.
 */
function hep3(payload, micros, back) {
  const octet = (number) => Buffer.from([number])
  const short = (number) => Buffer.from([number >> 8, number & 255])
  const long = (number) => {
    const octets = Buffer.alloc(4)
    octets.writeUInt32BE(number >>> 0)
    return octets
  }
  const [here, there] = [Buffer.from([198, 51, 100, 66]), Buffer.from([192, 0, 2, 10])]
  const chunks = [
    [1, octet(2)],
    [2, octet(17)],
    [3, back ? there : here],
    [4, back ? here : there],
    [7, short(5060)],
    [8, short(5060)],
    [9, long(Math.floor(micros / 1_000_000))],
    [10, long(micros % 1_000_000)],
    [11, octet(1)],
    [12, long(66)],
    [15, payload],
  ].map(([type, value]) => Buffer.concat([short(0), short(type), short(value.length + 6), value]))
  const body = Buffer.concat(chunks)
  return Buffer.concat([Buffer.from('HEP3'), short(body.length + 6), body])
}

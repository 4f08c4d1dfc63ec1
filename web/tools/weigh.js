// What a browser loads for the page, compressed as servers compress it, and whether that is within the budget.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const BUDGET = 150_000

const files = readdirSync('dist', { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
const weights = files.map((file) => {
  const path = join(file.parentPath, file.name)
  return { path, octets: gzipSync(readFileSync(path), { level: 9 }).length }
})
const total = weights.reduce((sum, { octets }) => sum + octets, 0)
for (const { path, octets } of weights) console.log(`${String(octets).padStart(8)}  ${path}`)
console.log(`${String(total).padStart(8)}  of ${BUDGET} octets, compressed`)
process.exit(total <= BUDGET && weights.length > 0 ? 0 : 1)

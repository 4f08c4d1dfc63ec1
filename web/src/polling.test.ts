import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from './api'
import { OVER, polling } from './polling'

describe('polling', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('asks at once, after each answer, and no more when it is stopped', async () => {
    const ask = vi.fn(() => Promise.resolve())
    const one = polling(100, ask, () => undefined)
    await vi.advanceTimersByTimeAsync(250)
    expect(ask).toHaveBeenCalledTimes(3)
    one.stop()
    await vi.advanceTimersByTimeAsync(500)
    expect(ask).toHaveBeenCalledTimes(3)
  })

  it('says what was wrong, and asks again', async () => {
    const found: number[] = []
    const answers = [new Problem(503, '', '', ''), new Error('odd'), null]
    const ask = vi.fn(() => {
      const answer = answers.shift()
      return answer ? Promise.reject(answer) : Promise.resolve()
    })
    const one = polling(100, ask, (problem) => found.push(problem.status))
    await vi.advanceTimersByTimeAsync(250)
    expect(found).toEqual([503, 0])
    expect(ask).toHaveBeenCalledTimes(3)
    one.stop()
  })

  it('asks no more when it is over, and once more when asked to', async () => {
    const ask = vi.fn(() => Promise.resolve(OVER))
    const gone = vi.fn(() => Promise.reject(new Problem(404, '', '', '')))
    const polls = [polling(100, ask, () => undefined), polling(100, gone, () => OVER)]
    await vi.advanceTimersByTimeAsync(500)
    expect([ask, gone].map((one) => one.mock.calls.length)).toEqual([1, 1])
    await polls[0]?.again()
    expect(ask).toHaveBeenCalledTimes(2)
  })

  it('asks once when asked while it waits', async () => {
    const ask = vi.fn(() => Promise.resolve())
    const one = polling(100, ask, () => undefined)
    await vi.advanceTimersByTimeAsync(50)
    await one.again()
    await vi.advanceTimersByTimeAsync(90)
    expect(ask).toHaveBeenCalledTimes(2)
    one.stop()
  })
})

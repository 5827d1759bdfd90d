/**
 * How the cost of a computation grows with its input, in processor time. Clocks of processor time are coarse on some
 * machines (ticks of 4 or 10 ms), so the small input is repeated until its cost is well above a tick.
 */

const MICROS = 30_000
const ROUNDS = 3

const spent = (run: () => void) => {
  const begin = process.cpuUsage()
  run()
  return process.cpuUsage(begin).user
}

const each = (run: () => void) => {
  let times = 0
  const begin = process.cpuUsage()
  let cost = 0
  for (; cost < MICROS; cost = process.cpuUsage(begin).user) {
    run()
    times += 1
  }
  return cost / times
}

/** The cost of `large` over that of `small`; the best of some rounds of each. */
export const growth = <A>(run: (input: A) => unknown, small: A, large: A): number => {
  // Compiled before it counts.
  each(() => run(small))
  const rounds = Array.from({ length: ROUNDS }, () => [each(() => run(small)), spent(() => run(large))] as const)
  const [low, high] = [Math.min(...rounds.map(([cost]) => cost)), Math.min(...rounds.map(([, cost]) => cost))]
  return high / low
}

/**
 * How the cost of a computation grows with its input, in processor time. Clocks of processor time are coarse on some
 * machines (ticks of 4 or 10 ms), so the small input is repeated until its cost is well above a tick. What a machine does
 * besides can only make a round dearer: rounds are added until what grows in proportion has shown that it does.
 */

const MICROS = 30_000
/** Costs of an input ten times as large that are certainly not those of its square. */
const PROPORTIONAL = 20
const ROUNDS = 12

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

/** The cost of `large`, which is ten times `small`, over that of `small`; the best of some rounds. */
export const growth = <A>(run: (input: A) => unknown, small: A, large: A): number => {
  // Compiled before it counts.
  each(() => run(small))
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS && least > PROPORTIONAL; round++) {
    least = Math.min(least, spent(() => run(large)) / each(() => run(small)))
  }
  return least
}

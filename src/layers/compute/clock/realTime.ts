/**
 * Real-time signals. They have no names in Node, so that `process.on` refuses them, and by default each ends the process.
 */
import { createHook } from "node:async_hooks"

const FIRST = 34
const LAST = 64

interface Listener {
  onsignal?: (signal: number) => void
  readonly start: (signal: number) => number
  readonly close: () => void
  readonly unref: () => void
}

const isListener = (value: object): value is Listener => "start" in value && "close" in value && "unref" in value

/** What listens to a signal in Node is an object of a class that shows itself to those who follow asynchronous work. */
const listenerClass = (): (() => object) | null => {
  let found: object | undefined
  const hook = createHook({
    init: (_id, type, _trigger, resource) => {
      if (type === "SIGNALWRAP") found = resource
    }
  }).enable()
  const unheard = () => undefined
  process.on("SIGWINCH", unheard)
  hook.disable()
  process.off("SIGWINCH", unheard)
  const made = found?.constructor
  return made === undefined ? null : () => Reflect.construct(made, [])
}

/** Calls back with the number of each that comes; what it gives stops that. False when this runtime has no way to it. */
export const onRealTimeSignals = (heard: (signal: number) => void): (() => void) | null => {
  const make = listenerClass()
  if (make === null) return null
  const listeners: Array<Listener> = []
  for (let signal = FIRST; signal <= LAST; signal++) {
    const listener = make()
    if (!isListener(listener)) return null
    listener.unref()
    listener.onsignal = heard
    if (listener.start(signal) === 0) listeners.push(listener)
  }
  return () => {
    for (const listener of listeners) listener.close()
  }
}

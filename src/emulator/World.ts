/**
 * What all emulated peers share: the timelines and their content, who may ask, what was asked, and which faults act.
 */
import type { KeyObject } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Lsn from "../domain/spec/Lsn.ts"
import * as Fault from "./Fault.ts"
import type { Archive } from "./postgres/Archive.ts"

/** One thing a peer was asked, in the order of arrival. */
export interface Asked {
  readonly peer: Fault.Peer
  readonly member: number
  readonly what: "startup" | "query" | "call" | "request" | "sync"
  /** The query, the path, the method's name. Never a token. */
  readonly text: string
  /** Startup parameters, metadata, headers: tokens included, for this is what tests look at. */
  readonly detail: Readonly<Record<string, string>>
}

export interface Timeline {
  readonly tenant: string
  readonly timeline: string
  /** What safekeepers have, unless `members` says otherwise for one of them. */
  flush: Lsn.Lsn
  commit: Lsn.Lsn
  readonly members: Map<number, { readonly flush: Lsn.Lsn; readonly commit: Lsn.Lsn }>
  /** The newest term each safekeeper has voted in. */
  readonly terms: Map<number, bigint>
  /** What a basebackup brings, for a primary or for a replica. */
  archive: (replica: boolean) => Archive
  /** Positions before this one are gone. */
  gcCutoff: Lsn.Lsn
  isArchived: boolean
}

/** What the control plane says about one compute. */
export interface SpecAnswer {
  readonly status: number
  readonly body: string
}

/** What a fault matches that is to answer a startup packet. */
const STARTUP = "startup"

export class World {
  readonly asked: Array<Asked> = []
  readonly timelines = new Map<string, Timeline>()
  /** Answers by compute id; `*` answers for all others. */
  readonly specs = new Map<string, SpecAnswer>()
  /** Objects of the endpoint storage by path. */
  readonly objects = new Map<string, Buffer>()
  faults: ReadonlyArray<Fault.Fault> = []
  /** Milliseconds a lease lasts. */
  leaseMs = 600_000
  readonly #log: (asked: Asked) => void

  /** Keys that storage tokens are checked with; empty = nobody is asked for one. */
  readonly storageKeys: ReadonlyArray<KeyObject>

  constructor(storageKeys: ReadonlyArray<KeyObject>, log: (asked: Asked) => void = () => {}) {
    this.storageKeys = storageKeys
    this.#log = log
  }

  note(asked: Asked): void {
    this.asked.push(asked)
    this.#log(asked)
  }

  timeline(tenant: string, timeline: string): Timeline | undefined {
    return this.timelines.get(`${tenant.toLowerCase()}/${timeline.toLowerCase()}`)
  }

  addTimeline(tenant: string, timeline: string, at: Lsn.Lsn, archive: (replica: boolean) => Archive): Timeline {
    const made: Timeline = {
      tenant,
      timeline,
      flush: at,
      commit: at,
      members: new Map(),
      terms: new Map(),
      archive,
      gcCutoff: Lsn.zero,
      isArchived: false
    }
    this.timelines.set(`${tenant.toLowerCase()}/${timeline.toLowerCase()}`, made)
    return made
  }

  /** Consumes the faults that fit a new connection; true = refuse it. */
  refuses(peer: Fault.Peer, member: number): boolean {
    const { actions, left } = Fault.take(
      this.faults,
      (fault) => Fault.onConnect(fault) && Fault.fits({ ...fault, match: undefined }, peer, member, "")
    )
    this.faults = left
    return actions.length > 0
  }

  /** Consumes a fault that answers a startup packet with bytes of its own. */
  rawStartup(peer: Fault.Peer, member: number): Extract<Fault.Action, { readonly do: "raw" }> | undefined {
    const { actions, left } = Fault.take(
      this.faults,
      (fault) => fault.match === STARTUP && fault.action.do === "raw" && Fault.fits(fault, peer, member, STARTUP)
    )
    this.faults = left
    return Fault.find(actions, "raw")
  }

  /** Notes what was asked and consumes the faults that fit it; those that delay have acted. */
  heed(asked: Asked): Effect.Effect<ReadonlyArray<Fault.Action>> {
    return Effect.suspend(() => {
      this.note(asked)
      const actions = this.actions(asked.peer, asked.member, asked.text)
      const delay = Fault.find(actions, "delay")
      return delay === undefined ? Effect.succeed(actions) : Effect.as(Effect.sleep(delay.ms), actions)
    })
  }

  /** Consumes the faults that fit a request. */
  actions(peer: Fault.Peer, member: number, request: string): ReadonlyArray<Fault.Action> {
    const { actions, left } = Fault.take(
      this.faults,
      (fault) => !Fault.onConnect(fault) && Fault.fits(fault, peer, member, request)
    )
    this.faults = left
    return actions
  }
}

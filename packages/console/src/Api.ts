/**
 * What the page asks of its compute: the API of the server it came from. The token travels in a header, never in a URL.
 */

/** What is wrong with a document, and where. */
export interface Fault {
  readonly path: string
  readonly message: string
}

/** The server said no, with its reason; status 0: nobody answered. */
export class Refused extends Error {
  readonly status: number
  readonly faults: ReadonlyArray<Fault>
  constructor(status: number, message: string, faults: ReadonlyArray<Fault> = []) {
    super(message)
    this.status = status
    this.faults = faults
  }
}

export interface Api {
  readonly get: <A>(path: string) => Promise<A>
  readonly text: (path: string) => Promise<string>
  readonly post: <A>(path: string, body?: unknown) => Promise<A>
  readonly remove: (path: string) => Promise<unknown>
  /** The events of the compute until the stream ends: each time that something of it changed. */
  readonly watch: (changed: () => void, signal: AbortSignal) => Promise<void>
}

const refusalOf = (text: string, status: number): Refused => {
  try {
    const { error, faults } = JSON.parse(text)
    if (typeof error === "string") return new Refused(status, error, Array.isArray(faults) ? faults : [])
  } catch {
    // It is the reason itself.
  }
  return new Refused(status, text.trim() === "" ? `the compute answered ${status}` : text)
}

export const makeApi = (token: string, base = ""): Api => {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { ...init.headers, ...(token !== "" && { authorization: `Bearer ${token}` }) }
    const answer = await fetch(`${base}${path}`, { cache: "no-store", redirect: "error", ...init, headers }).catch(
      (error: unknown) => {
        throw new Refused(
          0,
          init.signal?.aborted === true ? "left" : error instanceof Error ? error.message : `${error}`
        )
      }
    )
    if (!answer.ok) throw refusalOf(await answer.text(), answer.status)
    return answer
  }
  const jsonOf = async (answer: Response) => {
    const text = await answer.text()
    return text === "" ? null : JSON.parse(text)
  }
  return {
    get: (path) => ask(path).then(jsonOf),
    text: (path) => ask(path).then((answer) => answer.text()),
    post: (path, body) =>
      ask(path, {
        method: "POST",
        ...(body !== undefined && {
          headers: { "content-type": "application/json" },
          body: typeof body === "string" ? body : JSON.stringify(body)
        })
      }).then(jsonOf),
    remove: (path) => ask(path, { method: "DELETE" }).then(jsonOf),
    watch: async (changed, signal) => {
      const { body } = await ask("/events", { signal, headers: { accept: "text/event-stream" } })
      const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
      // What an event says is asked for anew: only that there was one counts.
      for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) changed()
    }
  }
}

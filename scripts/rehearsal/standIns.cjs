// What takes the place of the runtime's own during the rehearsal, where no snapshot can hold that, or it would keep what it saw.

/** Builtins that a rehearsal may load; `build.mjs` fills it in. */
const allowed = new Set(/* ALLOWED */)

/**
 * The runtime's own functions for the status of a file declare something with `using`, for which a context that is made into
 * a snapshot has no map yet: it crashes.
 */
const withStatus = async (work) => {
  const fs = process.getBuiltinModule("node:fs")
  const promises = process.getBuiltinModule("node:fs/promises")
  const handle = await promises.open("/dev/null")
  const prototype = Object.getPrototypeOf(handle)
  await handle.close()
  const asked = (ask) => new Promise((resolve, reject) => ask((error, answer) => (error ? reject(error) : resolve(answer))))
  const { lstat, stat, statfs } = promises
  const ofHandle = prototype.stat
  promises.stat = (path, options) => asked((done) => fs.stat(path, options ?? {}, done))
  promises.lstat = (path, options) => asked((done) => fs.lstat(path, options ?? {}, done))
  promises.statfs = (path, options) => asked((done) => fs.statfs(path, options ?? {}, done))
  prototype.stat = function (options) {
    return asked((done) => fs.fstat(this.fd, options ?? {}, done))
  }
  try {
    return await work()
  } finally {
    Object.assign(promises, { lstat, stat, statfs })
    prototype.stat = ofHandle
  }
}

const withStandIns = async (work) => {
  const names = ["env", "stderr", "stdout", "getBuiltinModule"]
  const kept = names.map((name) => [name, Object.getOwnPropertyDescriptor(process, name)])
  const { fetch } = globalThis
  const crypto = process.getBuiltinModule("node:crypto")
  const { randomInt, randomUUID } = crypto
  const load = process.getBuiltinModule
  const http = standInForHttp(load("node:net"), load("node:stream"))
  process.getBuiltinModule = (id) => {
    const name = id.replace(/^node:/, "")
    if (name === "http") return http
    if (!allowed.has(name)) {
      throw new Error(
        `a start uses node:${name}, which no snapshot can hold. Import it by a function that only runs when it is needed, ` +
          "and keep that from a plain start; or try whether a snapshot takes it, and name it in lazyBuiltins.mjs"
      )
    }
    return load(id)
  }
  // A collector of traces that takes everything: the runtime's own client cannot be in a snapshot.
  globalThis.fetch = async () => new Response(null)
  // Without the cache of random bytes that the runtime keeps in its own module.
  crypto.randomUUID = () => randomUUID({ disableEntropyCache: true })
  crypto.randomInt = () => {
    throw new Error("crypto.randomInt keeps random numbers, which would be the same in every process")
  }
  // No piece of memory that small buffers share, where the last of what was written would stay.
  const { poolSize } = Buffer
  Buffer.poolSize = 0
  try {
    return await withStatus(work)
  } finally {
    for (const [name, descriptor] of kept) {
      if (descriptor === undefined) delete process[name]
      else Object.defineProperty(process, name, descriptor)
    }
    globalThis.fetch = fetch
    Buffer.poolSize = poolSize
    Object.assign(crypto, { randomInt, randomUUID })
    // The runtime remembers the working directory that it was asked for, until there is another.
    process.chdir(process.cwd())
  }
}

/** A server of plain sockets with the events and members that ours look at. Its parser takes what the rehearsal sends. */
const standInForHttp = (net, stream) => {
  class IncomingMessage extends stream.Readable {
    complete = false
    httpVersion = "1.1"
    headers = {}
    headersDistinct = {}
    rawHeaders = []
    constructor(socket, head) {
      super({ read: () => {} })
      this.socket = socket
      const [first, ...lines] = head.split("\r\n")
      ;[this.method, this.url] = first.split(" ")
      for (const line of lines) {
        const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line)
        this.rawHeaders.push(name, value)
        this.headers[name.toLowerCase()] = value
        this.headersDistinct[name.toLowerCase()] = [value]
      }
    }
  }
  class ServerResponse extends stream.Writable {
    headersSent = false
    statusCode = 200
    #headers = new Map()
    constructor(message) {
      super()
      this.req = message
      this.socket = message.socket
    }
    setHeader(name, value) {
      this.#headers.set(name.toLowerCase(), value)
      return this
    }
    getHeader(name) {
      return this.#headers.get(name.toLowerCase())
    }
    hasHeader(name) {
      return this.#headers.has(name.toLowerCase())
    }
    removeHeader(name) {
      this.#headers.delete(name.toLowerCase())
    }
    getHeaders() {
      return Object.fromEntries(this.#headers)
    }
    writeHead(status, headers = {}) {
      this.statusCode = status
      const pairs = Array.isArray(headers)
        ? headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []))
        : Object.entries(headers)
      for (const [name, value] of pairs) this.setHeader(name, value)
      return this
    }
    writeContinue() {}
    flushHeaders() {
      if (this.headersSent) return
      this.headersSent = true
      const lines = [...this.#headers].map(([name, value]) => `${name}: ${value}\r\n`)
      this.socket.write(`HTTP/1.1 ${this.statusCode} Said\r\n${lines.join("")}\r\n`)
    }
    _write(chunk, encoding, done) {
      this.flushHeaders()
      this.socket.write(chunk, encoding, done)
    }
    _final(done) {
      this.flushHeaders()
      done()
      if (!this.hasHeader("content-length")) this.socket.end()
    }
  }
  const attend = (server, socket) => {
    let held = Buffer.alloc(0)
    let message
    let rest = 0
    socket.on("error", () => {})
    socket.on("data", (bytes) => {
      held = Buffer.concat([held, bytes])
      for (;;) {
        if (message === undefined) {
          const end = held.indexOf("\r\n\r\n")
          if (end < 0) return
          message = new IncomingMessage(socket, held.toString("latin1", 0, end))
          held = held.subarray(end + 4)
          rest = Number(message.headers["content-length"] ?? 0)
          server.emit("request", message, new ServerResponse(message))
        }
        const body = held.subarray(0, rest)
        held = held.subarray(body.length)
        rest -= body.length
        if (body.length > 0) message.push(body)
        if (rest > 0) return
        message.complete = true
        message.push(null)
        message = undefined
      }
    })
  }
  class Server extends net.Server {
    constructor(options, handler) {
      super({ allowHalfOpen: true, ...(typeof options === "object" ? options : {}) })
      const listener = typeof options === "function" ? options : handler
      if (listener !== undefined) this.on("request", listener)
      this.on("connection", (socket) => attend(this, socket))
    }
    setTimeout() {
      return this
    }
    closeAllConnections() {}
    closeIdleConnections() {}
  }
  return {
    IncomingMessage,
    ServerResponse,
    Server,
    STATUS_CODES: {},
    METHODS: [],
    createServer: (options, handler) => new Server(options, handler)
  }
}

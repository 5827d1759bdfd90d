// A Postgres that lets everybody in and has nothing: each statement succeeds without a row, but that a reload is done at once. What the program does with sessions
// is rehearsed against it; that it gets no answers is no failure of a start.
import * as net from "node:net"

const message = (type, body = Buffer.alloc(0)) => {
  const head = Buffer.alloc(5)
  head.write(type, 0, "latin1")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const texts = (...all) => Buffer.from(all.map((text) => `${text}\0`).join(""))

const PARAMETERS = [
  ["server_version", "17.0"],
  ["server_encoding", "UTF8"],
  ["client_encoding", "UTF8"],
  ["standard_conforming_strings", "on"],
  ["integer_datetimes", "on"],
  ["TimeZone", "UTC"]
]
const ready = message("Z", Buffer.from("I"))
const done = message("C", texts("SELECT 0"))
const welcome = Buffer.concat([
  message("R", Buffer.alloc(4)),
  ...PARAMETERS.map((pair) => message("S", texts(...pair))),
  message("K", Buffer.alloc(8)),
  ready
])
/** By the client's message; what is not here has no answer. */
const answers = {
  Q: Buffer.concat([done, ready]),
  P: message("1"),
  B: message("2"),
  C: message("3"),
  D: message("n"),
  E: done,
  S: ready
}

/** One row of one column, a boolean by its object id. */
const column = Buffer.concat([
  texts("loaded"),
  Buffer.alloc(6),
  Buffer.from([0, 0, 0, 16, 0, 1, 255, 255, 255, 255, 0, 0])
])
const yes = {
  D: message("T", Buffer.concat([Buffer.from([0, 1]), column])),
  E: Buffer.concat([message("D", Buffer.from([0, 1, 0, 0, 0, 1, 0x74])), message("C", texts("SELECT 1"))])
}
const RELOADED = "pg_conf_load_time"

const STARTUP = 3

const attend = (socket) => {
  let held = Buffer.alloc(0)
  let isOpen = false
  let reload = false
  socket.on("error", () => {})
  socket.on("data", (bytes) => {
    held = Buffer.concat([held, bytes])
    for (;;) {
      const head = isOpen ? 1 : 0
      if (held.length < head + 4) return
      const length = head + held.readInt32BE(head)
      if (held.length < length) return
      const one = held.subarray(0, length)
      held = held.subarray(length)
      if (isOpen) {
        const type = one.toString("latin1", 0, 1)
        if (type === "X") return socket.end()
        if (type === "P") reload = one.includes(RELOADED)
        const answer = (reload && yes[type]) || answers[type]
        if (answer !== undefined) socket.write(answer)
      } else if (one.readInt16BE(4) === STARTUP) {
        isOpen = true
        socket.write(welcome)
      } else {
        // No encryption.
        socket.write("N")
      }
    }
  })
}

/** Listens on a free port of this machine; `close` ends it and its sessions. */
export const listen = () =>
  new Promise((resolve, reject) => {
    const sockets = new Set()
    const server = net.createServer((socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      attend(socket)
    })
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () =>
      resolve({
        port: server.address().port,
        close: () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
      })
    )
  })

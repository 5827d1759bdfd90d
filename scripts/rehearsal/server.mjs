// A Postgres that lets everybody in and knows what an apply asks for. What the program does with sessions is rehearsed
// against it.
import * as net from "node:net"
import * as Catalog from "./catalog.mjs"

const message = (type, body = Buffer.alloc(0)) => {
  const head = Buffer.alloc(5)
  head.write(type, 0, "latin1")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const texts = (...all) => Buffer.from(all.map((text) => `${text}\0`).join(""))
const int16 = (value) => {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}
const int32 = (value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const PARAMETERS = [
  ["server_version", "17.0"],
  ["server_encoding", "UTF8"],
  ["client_encoding", "UTF8"],
  ["standard_conforming_strings", "on"],
  ["integer_datetimes", "on"],
  ["TimeZone", "UTC"]
]
const ready = message("Z", Buffer.from("I"))
const welcome = Buffer.concat([
  message("R", Buffer.alloc(4)),
  ...PARAMETERS.map((pair) => message("S", texts(...pair))),
  message("K", Buffer.concat([int32(1), int32(1)])),
  ready
])
/** What is said to a message of the extended protocol whatever the statement is. */
const parts = { P: message("1"), B: message("2"), C: message("3"), S: ready }

const ANY_LENGTH = Buffer.concat([int16(-1), int32(-1), int16(0)])
const description = ({ columns }) =>
  message(
    "T",
    Buffer.concat([
      int16(columns.length),
      ...columns.map(([name, type]) => Buffer.concat([texts(name), int32(0), int16(0), int32(type), ANY_LENGTH]))
    ])
  )
const valueOf = (value) => {
  if (value === null) return int32(-1)
  const bytes = Buffer.from(value)
  return Buffer.concat([int32(bytes.length), bytes])
}
const data = (found) => {
  const { columns = [], rows = [] } = found ?? {}
  return Buffer.concat([
    ...rows.map((row) => message("D", Buffer.concat([int16(columns.length), ...row.map(valueOf)]))),
    message("C", texts(`SELECT ${rows.length}`))
  ])
}

const STARTUP = 3

const attend = (socket, catalog) => {
  let held = Buffer.alloc(0)
  let database = null
  let statement = ""
  let found = null
  const answers = {
    Q: (body) => {
      found = catalog.ask(body.toString("utf8"), database, "")
      return Buffer.concat([...(found === null ? [] : [description(found)]), data(found), ready])
    },
    P: (body) => {
      statement = body.toString("utf8")
      return parts.P
    },
    B: (body) => {
      found = catalog.ask(statement, database, body.toString("utf8"))
      return parts.B
    },
    D: () => (found === null ? message("n") : description(found)),
    E: () => data(found),
    C: () => parts.C,
    S: () => parts.S
  }
  socket.on("error", () => {})
  socket.on("data", (bytes) => {
    held = Buffer.concat([held, bytes])
    for (;;) {
      const head = database === null ? 0 : 1
      if (held.length < head + 4) return
      const length = head + held.readInt32BE(head)
      if (held.length < length) return
      const one = held.subarray(0, length)
      held = held.subarray(length)
      if (database !== null) {
        const type = one.toString("latin1", 0, 1)
        if (type === "X") return socket.end()
        const answer = answers[type]?.(one.subarray(head + 4))
        if (answer !== undefined) socket.write(answer)
      } else if (one.readInt16BE(4) === STARTUP) {
        const pairs = one.toString("utf8", 8).split("\0")
        database = pairs[pairs.indexOf("database") + 1] ?? ""
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
    const catalog = Catalog.make()
    const server = net.createServer((socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      attend(socket, catalog)
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

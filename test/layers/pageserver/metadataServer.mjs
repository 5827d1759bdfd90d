// Answers each HTTP/2 request by the headers of the first argument, as JSON, and nothing else. Prints its port.
//
// A process of its own: where both ends are in one, Node aborts when it collects a session that refused headers.
import { createServer } from "node:http2"

const headers = JSON.parse(process.argv[2] ?? "{}")
const server = createServer()
server.on("session", (session) => session.on("error", () => {}))
server.on("stream", (stream) => {
  stream.on("error", () => {})
  stream.respond(headers, { endStream: true })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))

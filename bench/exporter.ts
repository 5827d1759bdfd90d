/**
 * What the neon extension serves on a socket in the data directory.
 */
import { createServer } from "node:http"
import * as Effect from "effect/Effect"

const ANSWER = "lfc_hits 1\n".repeat(80)

/** Until the scope closes. Bound by a relative path, as Postgres does, which has no limit of its own. */
export const serveExporter = (pgdata: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((_, response) => response.end(ANSWER))
      const home = process.cwd()
      process.chdir(pgdata)
      server.listen("neon-communicator.socket", () => resume(Effect.succeed(server)))
      process.chdir(home)
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

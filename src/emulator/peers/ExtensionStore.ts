/**
 * The gateway to extension archives: files of a folder, by path, for whoever asks.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { World } from "../World.ts"
import { bytes, pathOf, serveHttp, text } from "./HttpServer.ts"

export const extensionStore = (world: World, folder: string, host: string, port: number) =>
  serveHttp(
    host,
    port,
    HttpRouter.add("*", "*", (request) =>
      Effect.sync(() => {
        const wanted = path.join(folder, path.normalize(decodeURIComponent(pathOf(request))))
        const isInside = wanted.startsWith(path.join(folder, path.sep))
        return isInside && fs.existsSync(wanted) && fs.statSync(wanted).isFile()
          ? bytes(fs.readFileSync(wanted))
          : text(404, "not found")
      })
    ),
    { world, peer: "extensions" }
  )

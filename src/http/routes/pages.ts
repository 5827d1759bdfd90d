/**
 * The console. Its policy names the one script and the one style that belong to it, so that nothing else runs there.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Schema from "effect/Schema"
import { assetText } from "../../layers/machine/asset.ts"
import { External } from "../api/Api.ts"
import { Failed } from "../api/shapes/Refusal.ts"
import { plain, refuse } from "../server/answers/answers.ts"

const Page = Schema.fromJsonString(Schema.Struct({ html: Schema.String, policy: Schema.String }))

const answer = ({ html, policy }: (typeof Page)["Type"]) =>
  HttpServerResponse.setHeaders(plain(200, "text/html; charset=utf-8", html), {
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache"
  })

export const pages = HttpApiBuilder.group(External, "pages", (handlers) =>
  handlers.handleAll({
    console: () =>
      Effect.try(() => assetText("console.json")).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(Page)),
        Effect.map(answer),
        Effect.catch(() => refuse(Failed, "this build has no console"))
      )
  })
)

import { assert, it } from "@effect/vitest"
import { type Facts, factsReport } from "../../../src/domain/postgres/Facts.ts"

const SECRET = "s3cr3tV4lue"

const setting = (name: string, value: string) => ({ name, value, source: "configuration file", file: null, line: null })

const facts: Facts = {
  version: "17.0",
  isStandby: true,
  lsn: null,
  walTimeline: "1",
  mode: null,
  branch: null,
  endpoint: null,
  pendingRestart: null,
  settings: [
    setting("primary_conninfo", `host=h password=a,b;${SECRET} user=u`),
    setting("restore_command", `AWS_SECRET_ACCESS_KEY=${SECRET} fetch %f %p`),
    setting("ssl_passphrase_command", `echo ${SECRET}`),
    setting("ext.secret_key", SECRET),
    setting("ext.url", `https://u:${SECRET}@h/`),
    setting("work_mem", "4MB")
  ],
  slots: [],
  standbys: [],
  certificateEnds: null
}

it("what Postgres says of its settings is told without their secrets", () => {
  const { settings } = factsReport(facts)
  assert.notInclude(JSON.stringify(settings), SECRET)
  assert.deepStrictEqual(
    settings.map(({ value }) => value),
    [
      "host=h password=<redacted> user=u",
      "AWS_SECRET_ACCESS_KEY=<redacted> fetch %f %p",
      "(hidden)",
      "(hidden)",
      "https://u:<redacted>@h/",
      "4MB"
    ]
  )
})

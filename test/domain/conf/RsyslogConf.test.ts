import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { auditAddress, auditConf, exportConf } from "../../../src/domain/conf/RsyslogConf.ts"

describe("auditAddress", () => {
  for (const [plain, tls, host, port, isTls] of [
    ["collector.host.tld:5555", "", "collector.host.tld", "5555", false],
    ["p:1", "tls.host.tld:5556", "tls.host.tld", "5556", true],
    ["10.0.0.7:80", "", "10.0.0.7", "80", false],
    ["[7e60:82ed:cb2e:d617:f904:f395:aaca:e252]:5555", "", "7e60:82ed:cb2e:d617:f904:f395:aaca:e252", "5555", false]
  ] as const) {
    it(`${plain} ${tls}`, () => {
      assert.deepStrictEqual(Result.getOrThrow(auditAddress(plain, tls)), { host, port, tls: isTls })
    })
  }

  for (const bad of [
    "collector.host.tld",
    ":5555",
    "h:90001",
    "h:0",
    "-bad.host:5555",
    "h:::5555",
    'h":5',
    "h:5/x",
    "u@h:5",
    "[h]:5"
  ]) {
    it(`refuses ${bad}`, () => assert.isTrue(Result.isFailure(auditAddress(bad, ""))))
  }

  it("says that there is none", () => {
    assert.strictEqual(
      Result.getOrThrow(Result.flip(auditAddress("", ""))).message,
      "AUDIT_LOGGING_ENDPOINT and AUDIT_LOGGING_TLS_ENDPOINT are both empty"
    )
  })
})

describe("exportConf", () => {
  it("is empty without a host", () => assert.strictEqual(Result.getOrThrow(exportConf(null)), ""))

  it("forwards what Postgres says", () => {
    const text = Result.getOrThrow(exportConf("collector.cvc.local:514"))
    for (const part of ['target="collector.cvc.local"', 'port="514"', "$programname == 'postgres'"])
      assert.include(text, part)
  })

  it("takes the names that clusters, containers and services have", () => {
    for (const [given, target, port] of [
      ["log_collector:514", "log_collector", "514"],
      ["_collector.ns_1.svc:syslog-tls", "_collector.ns_1.svc", "syslog-tls"]
    ] as const) {
      assert.include(Result.getOrThrow(exportConf(given)), `target="${target}" port="${port}"`)
    }
  })

  it("takes an address of IPv6", () => assert.include(Result.getOrThrow(exportConf("[::1]:514")), 'target="::1"'))

  for (const bad of ["invalid", "h:", "h:0", "h:65536", "h:a b", "h:-x", 'h:"x', 'a"b:1']) {
    it(`refuses ${bad}`, () =>
      assert.strictEqual(
        Result.getOrThrow(Result.flip(exportConf(bad))).message,
        "Invalid host format for Postgres logs export"
      ))
  }
})

const rsyslogd = ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].find(existsSync)
if (rsyslogd === undefined)
  console.warn("skipped: rsyslogd is not installed, its own check of the snippets is left out")

describe.skipIf(rsyslogd === undefined)("rsyslogd -N1", () => {
  let directory = ""
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "rsyslog-conf-"))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  /** What rsyslogd says against the configuration. */
  const complaints = (snippet: string): string => {
    const path = join(directory, "rsyslog.conf")
    // Where the package has not made it, the working directory is not there; that is not the snippet's fault.
    writeFileSync(path, `${snippet.replaceAll("/var/log/rsyslog", directory)}\n*.* /dev/null\n`)
    try {
      execFileSync(rsyslogd ?? "", ["-N1", "-f", path], { stdio: "pipe" })
      return ""
    } catch (error) {
      return error instanceof Error && "stderr" in error ? String(error.stderr) : String(error)
    }
  }

  const shipping = { logDirectory: "/pg data/log", endpointId: "ep-1", projectId: 'odd "$x\\ name' }
  for (const tls of [false, true]) {
    it(`takes the audit snippet ${tls ? "with" : "without"} TLS`, () => {
      assert.strictEqual(complaints(auditConf({ ...shipping, address: { host: "h.example", port: "6514", tls } })), "")
    })
  }

  it("takes the export snippet", () => {
    assert.strictEqual(complaints(Result.getOrThrow(exportConf("[fe80::1]:514"))), "")
  })

  it("would have complained of a broken one", () => {
    assert.notStrictEqual(complaints(Result.getOrThrow(exportConf("h:514")).replace("omfwd", "omnothing")), "")
  })
})

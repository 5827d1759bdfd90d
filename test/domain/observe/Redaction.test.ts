import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isSecretName, redact } from "../../../src/domain/observe/Redaction.ts"
import { growth } from "../../rig/proportion.ts"

const SECRET = "s3cr3tV4lue"
/** Names of settings of extensions and applications. */
const SETTINGS = ["app.private_key", "app.jwt_secret", "s3.secret_access_key", "x.apikey", "ssl_passphrase_command"]

describe("Redaction", () => {
  for (const text of [
    `Authorization: Bearer ${SECRET}`,
    `authorization="bearer ${SECRET}"`,
    `Basic ${SECRET}`,
    `postgresql://cloud_admin:${SECRET}@localhost:5432/postgres`,
    `http://user:${SECRET}@[::1]:80/`,
    `host=pgbouncer user=pgbouncer password=${SECRET} dbname=pgbouncer`,
    `password='with blank ${SECRET}' x=1`,
    `PGPASSWORD=${SECRET} psql`,
    `NEON_AUTH_TOKEN=${SECRET}`,
    `{"storage_auth_token":"${SECRET}","mode":"Primary"}`,
    `{\\"storage_auth_token\\": \\"${SECRET}\\"}`,
    `"endpoint_storage_token": "${SECRET}"`,
    `/path?token=${SECRET}&x=1`,
    `ALTER ROLE "a" PASSWORD '${SECRET}'`,
    `CREATE ROLE a LOGIN PASSWORD  E'it''s ${SECRET}' INHERIT`,
    `"encrypted_password":"SCRAM-SHA-256$4096:${SECRET}=$${SECRET}:${SECRET}"`,
    `verifier SCRAM-SHA-256$4096:salt${SECRET}$key:key was kept`,
    `eyJhbGciOiJFZERTQSJ9.${SECRET}.${SECRET}`,
    `trace-eyJhbGciOiJFZERTQSJ9.${SECRET}.${SECRET}`,
    `log.of.eyJhbGciOiJFZERTQSJ9.${SECRET}.${SECRET}.x`,
    `eyJhbGciOiJFZERTQSJ9.eyJ${SECRET}`,
    `password='${SECRET} never closed`,
    `host=h sslpassword=${SECRET}`,
    `"token": "${SECRET} never closed`,
    `ALTER ROLE a PASSWORD '${SECRET} never closed`,
    `host=h password=a,b;c}d)${SECRET} user=u`,
    `host=h password=a\\ b\\\\${SECRET} user=u`,
    `AWS_SECRET_ACCESS_KEY=${SECRET} aws s3 cp`,
    `app.private_key = '${SECRET}'`,
    `{"secret_key":"${SECRET}","passphrase":"${SECRET}"}`,
    `LOG:  parameter "app.jwt_secret" changed to "${SECRET}"`,
    `LOG:  parameter "primary_conninfo" changed to "host=h password=a,${SECRET}"`
  ]) {
    it(`hides it in: ${text.slice(0, 60)}`, () => {
      const hidden = redact(text)
      assert.notInclude(hidden, SECRET)
      assert.include(hidden, "<redacted>")
      assert.strictEqual(redact(hidden), hidden)
    })
  }

  for (const text of [
    "starting compute monitor for postgresql://cloud_admin@localhost/postgres",
    "basebackup 0123456789abcdef0123456789abcdef latest --gzip",
    "GET /status request_id=3c0ff3a2-9d1f-4f0e-8c1b-0d2b8c9a7e11",
    "http://127.0.0.1:6400/",
    "password authentication failed for user",
    '{"storage_auth_token":null,"mode":"Primary"}',
    "Running migration id=3",
    "invalid authorization token: the signature does not match",
    "password: authentication failed",
    'LOG:  parameter "work_mem" changed to "4MB"',
    '{"primary_key":"id","ssl_key_file":"server.key"}'
  ]) {
    it(`leaves alone: ${text.slice(0, 60)}`, () => assert.strictEqual(redact(text), text))
  }

  it("takes time in proportion to hostile text", () => {
    const parts = [
      ...["a.b+", "password=", "://a:", "x://", "Bearer ", "'\\", '"\\"', "token='\\", "PASSWORD ''", "md5", "_token"],
      ...[
        "eyJ-",
        "eyJaaaaaa.",
        "eyJaaaaa-eyJ",
        "eyJaaaaaa..",
        ".",
        "-",
        "SCRAM-SHA-256$",
        "password=\\\\",
        "access_",
        'parameter "a" changed to "'
      ]
    ]
    const texts = (repeats: number) => parts.map((part) => part.repeat(repeats))
    // Ten times the text: about ten times the time, and a hundred times if any of it were read again for each part.
    assert.isBelow(
      growth((all) => all.map(redact), texts(4_000), texts(40_000)),
      40
    )
  })

  it("never fails, whatever the text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => typeof redact(text) === "string"))
  })

  it("knows names whose values are secret", () => {
    for (const name of [
      "authorization",
      "http.request.header.authorization",
      "x-auth-token",
      "password",
      ...SETTINGS
    ]) {
      assert.isTrue(isSecretName(name), name)
    }
    for (const name of ["request_id", "tokens_used", "path", "password_encryption", "primary_key"])
      assert.isFalse(isSecretName(name), name)
  })
})

/**
 * The snippets for rsyslogd that ship the audit log and Postgres' log, and the addresses they ship to.
 *
 * Source: `compute_tools/src/rsyslog.rs`, `compute_tools/src/config_template/compute_{audit,postgres_logs}_rsyslog_template.conf`.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { excerpt } from "../json/Excerpt.ts"

/** `message` is the text clients know, where there is one. */
export class BadSyslogAddress extends Data.TaggedError("BadSyslogAddress")<{ readonly message: string }> {}

export interface SyslogAddress {
  /** A host name, or an address of either family without brackets. */
  readonly host: string
  /** A number, or the name of a service. */
  readonly port: string
}

/** Names of services on a cluster or of containers have underscores. */
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/
/** As in `/etc/services`, with a letter at least. */
const SERVICE = /^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9+_.-]{0,31}$/
const IPV6 = /^(?=.*:)[0-9A-Fa-f:.]{2,45}$/

const isHostName = (host: string): boolean =>
  host.length <= 253 &&
  host
    .replace(/\.$/, "")
    .split(".")
    .every((label) => LABEL.test(label))

const isPort = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535

/** `host:port`, `[v6]:port`; nothing before, between or behind. */
const parseAuthority = (text: string): SyslogAddress | undefined => {
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]+)\]|([^:[\]]+)):([^:]+)$/.exec(text) ?? []
  if (!isPort(port) && !SERVICE.test(port)) return undefined
  if (bracketed !== undefined) return IPV6.test(bracketed) ? { host: bracketed, port } : undefined
  return plain !== undefined && isHostName(plain) ? { host: plain, port } : undefined
}

export interface AuditAddress extends SyslogAddress {
  readonly tls: boolean
}

/** The TLS collector is preferred whenever there is one. */
export const auditAddress = (endpoint: string, tlsEndpoint: string): Result.Result<AuditAddress, BadSyslogAddress> => {
  const tls = tlsEndpoint !== ""
  const given = tls ? tlsEndpoint : endpoint
  if (given === "") {
    return Result.fail(
      new BadSyslogAddress({ message: "AUDIT_LOGGING_ENDPOINT and AUDIT_LOGGING_TLS_ENDPOINT are both empty" })
    )
  }
  const address = parseAuthority(given)
  return address === undefined
    ? Result.fail(
        new BadSyslogAddress({
          message: `AUDIT_LOGGING_${tls ? "TLS_" : ""}ENDPOINT is not host:port: ${JSON.stringify(excerpt(given))}`
        })
      )
    : Result.succeed({ ...address, tls })
}

/** A text in double quotes of RainerScript, where `$` would start a property. */
const quote = (text: string): string =>
  `"${text
    .replace(/[\\"$]/g, (character) => `\\${character}`)
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")}"`

const indented = (lines: ReadonlyArray<string>): ReadonlyArray<string> => lines.map((line) => `  ${line}`)

const forward = (address: SyslogAddress, template: string, retries: number, tls: ReadonlyArray<string>) => [
  "action(",
  ...indented([
    'type="omfwd"',
    `target=${quote(address.host)} port=${quote(address.port)} protocol="tcp"`,
    `template="${template}"`,
    'queue.type="linkedList" queue.size="1000"',
    `action.resumeRetryCount="${retries}"`,
    ...tls
  ]),
  ")"
]

const gtls = (host: string): ReadonlyArray<string> => [
  'StreamDriver="gtls"',
  'StreamDriverMode="1"',
  'StreamDriverAuthMode="x509/name"',
  `StreamDriverPermittedPeers=${quote(host)}`,
  'StreamDriver.CheckExtendedKeyPurpose="on"',
  'StreamDriver.PermitExpiredCerts="off"'
]

export interface AuditShipping {
  readonly logDirectory: string
  readonly endpointId: string
  readonly projectId: string
  readonly address: AuditAddress
}

/** An audit record starts with a time in GMT and may have several lines. */
const RECORD_START =
  "^[[:digit:]]{4}-[[:digit:]]{2}-[[:digit:]]{2} [[:digit:]]{2}:[[:digit:]]{2}:[[:digit:]]{2}.[[:digit:]]{3} GMT,"

/**
 * Each record of the audit files becomes a line of RFC 5424 with a JSON body: the ids are in the body, because a tag is
 * cut after 32 characters.
 */
export const auditConf = ({ logDirectory, endpointId, projectId, address }: AuditShipping): string =>
  `${[
    'module(load="imfile")',
    "input(",
    ...indented([
      'type="imfile"',
      `File=${quote(`${logDirectory}/*.log`)}`,
      'Tag="pgaudit_log" Severity="info" Facility="local5"',
      `startmsg.regex="${RECORD_START}"`
    ]),
    ")",
    "global(",
    ...indented([
      'workDirectory="/var/log/rsyslog"',
      'DefaultNetstreamDriverCAFile="/etc/ssl/certs/ca-certificates.crt"'
    ]),
    ")",
    `set $.remote_syslog_tls = "${address.tls}";`,
    `set $.json_log!endpoint_id = ${quote(endpointId)};`,
    `set $.json_log!project_id = ${quote(projectId)};`,
    "set $.json_log!msg = $msg;",
    'template(name="PgAuditLog" type="string"',
    '  string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% - - - - %$.json_log%")',
    "if ( $syslogtag == 'pgaudit_log' ) then {",
    ...indented([
      "if ( $.remote_syslog_tls == 'true' ) then {",
      ...indented([...forward(address, "PgAuditLog", 10, gtls(address.host)), "stop"]),
      "} else {",
      ...indented([...forward(address, "PgAuditLog", 10, []), "stop"]),
      "}"
    ]),
    "}"
  ].join("\n")}\n`

/** Null means that nothing is shipped, and the snippet is empty. */
export const exportConf = (exportHost: string | null): Result.Result<string, BadSyslogAddress> => {
  if (exportHost === null) return Result.succeed("")
  const address = parseAuthority(exportHost)
  return address === undefined
    ? Result.fail(new BadSyslogAddress({ message: "Invalid host format for Postgres logs export" }))
    : Result.succeed(
        `${[
          "if ( $programname == 'postgres' ) then {",
          ...indented([...forward(address, "RSYSLOG_SyslogProtocol23Format", 3, []), "stop"]),
          "}"
        ].join("\n")}\n`
      )
}

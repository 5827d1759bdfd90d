/**
 * Which of our own variables the programs that we start get to see: all but what is meant for us alone.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs` (`FAILPOINTS`).
 */

/**
 * Tokens and passwords of ours, and switches of our own runtime. Postgres' users can read Postgres' environment. What
 * libpq and the server read would change whom a tool connects to, as whom and with which settings, and how the server
 * starts; but what names the killer of the kernel's choice is meant for the server. What brings code of its own into every
 * program that is dynamically linked or that uses OpenSSL was meant for us at most. What a program needs of it all the same
 * is added where that program is started.
 */
const OWN = [
  /^NEON_CONTROL_PLANE_TOKEN$/,
  /^COMPUTE_CTL_TOKEN$/,
  /^PG(?!_OOM_ADJUST_(?:FILE|VALUE)$)/,
  /^POSTGRES_/,
  /^OTEL_EXPORTER_OTLP_(?:.*_)?HEADERS$/,
  /^FAILPOINTS$/,
  /^NODE_/,
  /^UV_/,
  /^OPENSSL_/,
  /^LD_(?:PRELOAD|AUDIT)$/,
  /^DYLD_INSERT_LIBRARIES$/
]

type Environment = Readonly<Record<string, string | undefined>>

export const childEnvironment = (own: Environment, added: Environment = {}): Record<string, string | undefined> => ({
  ...Object.fromEntries(Object.entries(own).filter(([name]) => !OWN.some((pattern) => pattern.test(name)))),
  ...added
})

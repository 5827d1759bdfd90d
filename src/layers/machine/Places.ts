/**
 * Where a compute's machine keeps what is not ours: programs of its image, files of neighbours, the kernel's tree. An image
 * has them where the original looks for them; tests have them elsewhere.
 */
import { totalmem } from "node:os"
import * as Context from "effect/Context"

export interface PgBouncerPlaces {
  readonly ini: string
  readonly pidFile: string
  readonly processName: string
  /** Its admin console: a host name, or the directory of its socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  /** Milliseconds, for connecting to the console and for an answer of it each. */
  readonly limit: number
}

export interface MachinePlaces {
  readonly sudo: string
  readonly swapTool: string
  readonly quotaTool: string
  readonly vmInformant: string
  readonly gdb: string
  readonly lldb: string
  /** Where the kernel shows its control groups. */
  readonly cgroups: string
  readonly localProxy: { readonly config: string; readonly pidFile: string }
  readonly rsyslog: {
    readonly auditConf: string
    readonly exportConf: string
    readonly pidFile: string
    readonly processName: string
  }
  readonly pgbouncer: { readonly vm: PgBouncerPlaces; readonly pod: PgBouncerPlaces }
  /** Bytes of the whole machine. */
  readonly memory: () => number
}

const pgbouncer = { pidFile: "/tmp/pgbouncer.pid", processName: "pgbouncer", port: 6432, limit: 5_000 }

export const Places = Context.Reference<MachinePlaces>("compute/Places", {
  defaultValue: () => ({
    sudo: "/usr/bin/sudo",
    swapTool: "/neonvm/bin/resize-swap",
    quotaTool: "/neonvm/bin/set-disk-quota",
    vmInformant: "/bin/vm-informant",
    gdb: "gdb",
    lldb: "lldb",
    cgroups: "/sys/fs/cgroup",
    localProxy: { config: "/etc/local_proxy/config.json", pidFile: "/etc/local_proxy/pid" },
    rsyslog: {
      auditConf: "/etc/rsyslog.d/compute_audit_rsyslog.conf",
      exportConf: "/etc/rsyslog.d/postgres_logs.conf",
      pidFile: "/var/run/rsyslogd/rsyslogd.pid",
      processName: "rsyslogd"
    },
    // In a virtual machine it is of our own account, which its socket recognises; in a pod it is another container.
    pgbouncer: {
      vm: { ...pgbouncer, ini: "/etc/pgbouncer.ini", host: "/tmp", user: "pgbouncer" },
      pod: { ...pgbouncer, ini: "/var/db/postgres/pgbouncer/pgbouncer.ini", host: "localhost", user: "postgres" }
    },
    memory: totalmem
  })
})

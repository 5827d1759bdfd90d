/**
 * Where a compute's machine keeps what is not ours: programs of its image, files of neighbours, the kernel's tree. An image
 * has them where the original looks for them; tests have them elsewhere.
 */
import { totalmem } from "node:os"
import * as Context from "effect/Context"

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
  /** Bytes of the whole machine. */
  readonly memory: () => number
}

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
    memory: totalmem
  })
})

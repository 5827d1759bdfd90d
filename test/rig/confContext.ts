/**
 * What a configuration is rendered for where nothing was said on the command line.
 */
import type { ConfContext } from "../../src/domain/conf/PostgresConf.ts"

export const confContext: ConfContext = {
  internalHttpPort: 3081,
  tls: false,
  strictOvercommit: false,
  privilegedRole: "neon_superuser",
  lakebase: null
}

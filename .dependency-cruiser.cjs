/** Imports run one way: domain <- layers <- programs <- http, cli <- main; the emulator stands beside the layers. */
const only = (name, from, allowed) => ({
  name,
  severity: "error",
  comment: `${from} may import ${allowed.join(", ")}`,
  from: { path: `^src/${from}/` },
  to: { path: "^src/", pathNot: `^src/(${[from, ...allowed].join("|")})/` }
})

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    only("domain-direction", "domain", ["nothing-else"]),
    {
      name: "domain-is-pure",
      severity: "error",
      comment: "domain imports effect and nothing else",
      from: { path: "^src/domain/" },
      to: { path: "^(?!src/domain/)", pathNot: "node_modules/effect/" }
    },
    only("layers-direction", "layers", ["domain"]),
    only("emulator-direction", "emulator", ["domain", "layers"]),
    only("programs-direction", "programs", ["domain", "layers"]),
    only("http-direction", "http", ["domain", "layers", "programs"]),
    only("cli-direction", "cli", ["domain", "layers", "programs", "http", "emulator"]),
    {
      name: "emulator-only-for-dev",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(emulator/|cli/verbs/local/(dev|emulate))" },
      to: { path: "^src/emulator/" }
    },
    {
      name: "verbs-are-lazy",
      severity: "error",
      comment: "a start loads no verb: only their names are imported, the rest is import()ed",
      from: { path: "^src/", pathNot: "^src/cli/verbs/" },
      to: { path: "^src/cli/verbs/|node_modules/effect/.*/cli/", pathNot: "^src/cli/verbs/words.ts$", dynamic: false }
    },
    { name: "not-to-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "http-definitions-are-pure",
      severity: "error",
      comment: "API definitions import no Node module, so that a client can share them",
      from: { path: "^src/http/api/" },
      to: { dependencyTypes: ["core"] }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] }
  }
}

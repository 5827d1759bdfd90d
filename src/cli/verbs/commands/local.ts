/**
 * Verbs that run something on this machine.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { asJson, flag, misfit, number, port, privilegedRole, text } from "../options.ts"
import { does, explained } from "./verb.ts"

export const dev = Command.make(
  "dev",
  {
    pgbin: text("pgbin", "PATH", "The postgres to run [env: POSTGRES_PATH]", {
      short: "b",
      preset: "one of the system, else the packaged one"
    }),
    pgVersion: number("pg-version", "MAJOR", 99, "The major version of the one to run, instead of its path"),
    port: port("port", "Where Postgres listens", "a free one from 55432 on"),
    externalHttpPort: port("external-http-port", "External API", "a free one"),
    internalHttpPort: port("internal-http-port", "Internal API", "a free one"),
    grpc: flag("grpc", "Fetch the basebackup over gRPC instead of libpq"),
    empty: flag("empty", "Start without a spec; POST /configure gives it one"),
    fresh: flag("fresh", "Begin anew: what was kept is replaced when it ends"),
    branch: text("branch", "NAME", "Which branch of what is kept; a new one begins as a copy of main", {
      preset: "main"
    })
  },
  does(async () => (await import("../local/dev.ts")).dev)
).pipe(
  explained(
    "dev",
    "Emulated safekeepers and pageserver, a real Postgres, the HTTP API. It prints how to connect and ends with Ctrl-C.\nWhat is in the databases is kept in .compute/ for the next time. Exit code: 0 stopped by a signal, 1 it could not start,\n2 wrong arguments, else Postgres' own.",
    ["", "a compute with a database `app`"],
    ["--branch try", "a copy of what was kept, to break things in"],
    ["--pg-version 16", "another Postgres"],
    ["--empty", "one that waits for POST /configure"]
  )
)

export const emulate = Command.make(
  "emulate",
  {
    pgbin: text("pgbin", "PATH", "The postgres to wrap [env: POSTGRES_PATH]", {
      preset: "one of the system, else the packaged one"
    }),
    fakePostgres: flag("fake-postgres", "A postgres that is ready at once and does nothing, for measuring the rest"),
    dir: text("dir", "PATH", "Where the wrapped Postgres goes; kept", {
      preset: "a temporary folder, removed at the end"
    }),
    cache: text("cache", "PATH", "Where the result of initdb is kept", { preset: "a folder under the temporary one" }),
    host: text("host", "ADDRESS", "Where all servers listen", { preset: "127.0.0.1" }),
    safekeepers: number("safekeepers", "N", 31, "Safekeepers of the quorum", "3"),
    shards: number("shards", "N", 128, "Shards of the tenant, a pageserver each; 0 is an unsharded tenant", "0"),
    portSafekeepers: port("port-safekeepers", "The first safekeeper's; the others follow", "free ones"),
    portPageservers: port("port-pageservers", "The first pageserver's libpq port", "free ones"),
    portGrpc: port("port-grpc", "The first pageserver's gRPC port", "free ones"),
    portEndpointStorage: port("port-endpoint-storage", "Endpoint storage", "a free one"),
    portExtensions: port("port-extensions", "Extension store", "a free one"),
    portControlPlane: port("port-control-plane", "Control plane", "a free one"),
    controlPort: port("control-port", "Faults and questions to the emulator itself", "a free one"),
    tenantId: text("tenant-id", "HEX", "The tenant that exists"),
    timelineId: text("timeline-id", "HEX", "The timeline that exists"),
    lsn: text("lsn", "HI/LO", "Where the timeline stands", { preset: "0/1800000" }),
    content: text("content", "WHAT", "cluster, neon-shape, or a recorded basebackup.tar.gz", {
      preset: "cluster, neon-shape with --fake-postgres"
    }),
    replicaContent: text("replica-content", "FILE", "A recorded basebackup.tar.gz for replicas"),
    extensions: text("extensions", "FOLDER", "Files that the extension store serves"),
    spec: text("spec", "FILE", "What the control plane answers for every compute: a config.json"),
    faults: text("faults", "FILE", "Faults that act from the beginning, as POST /faults takes them"),
    auth: flag("auth", "Storage asks for tokens; one for the tenant is in the output"),
    authKey: text("auth-key", "X", "Storage asks for tokens of this Ed25519 key: the x of its JWK"),
    quiet: flag("quiet", "Do not log what is asked")
  },
  does(async () => (await import("../local/emulate.ts")).emulate)
).pipe(
  explained(
    "emulate",
    `Safekeepers, pageserver (libpq and gRPC), endpoint storage, extension store and control plane, all speaking the real
protocols, and a Postgres whose \`postgres --sync-safekeepers\` asks the emulated safekeepers and which has a stand-in for
the neon extension. When everything listens, one line of JSON on stdout says where: give a compute \`pgbin\` as --pgbin and
the rest in its spec. What is asked is logged on stderr. SIGINT and SIGTERM end it. Exit code: 0 stopped by a signal,
1 something could not start, 2 wrong arguments.`,
    ["--port-safekeepers 5454 --port-pageservers 64000", "at ports that are known beforehand"],
    ["--fake-postgres --quiet", "for measuring everything but Postgres"]
  )
)

/** Here for the list: its command line is another program's, and is read before the tree is. */
export const fastImport = Command.make(
  "fast-import",
  {},
  does(async () => {
    const { fastImport } = await import("../../fastImport/fastImport.ts")
    return () => fastImport(["--help"], {})
  })
).pipe(
  explained(
    "fast-import",
    "The program is started under the name fast_import too. Its options are those of `compute_ctl fast-import --help`.",
    [
      "--working-directory /work --pg-bin-dir /usr/lib/postgresql/15/bin --pg-lib-dir /usr/lib/postgresql/15/lib --s3-prefix s3://bucket/key pgdata",
      "what spec.json under the prefix asks for"
    ]
  )
)

export const doctor = Command.make(
  "doctor",
  {
    pgbin: text("pgbin", "PATH", "The postgres that is to run [env: POSTGRES_PATH]", {
      short: "b",
      preset: "postgres"
    }),
    pgdata: text("pgdata", "DATADIR", "Where its data directory is to be", { short: "D" }),
    config: text("config", "FILE", "The configuration; `-` for standard input", { short: "c" }),
    specPath: text("spec-path", "FILE", "A bare spec instead", { short: "S" }),
    connstr: text("connstr", "URL", "Connection URI, whose port Postgres is to have", { short: "C" }),
    controlPlaneUri: text("control-plane-uri", "URI", "Where the configuration is to be fetched", { short: "p" }),
    computeId: text("compute-id", "ID", "With it the control plane is asked [env: NEON_CONTROL_PLANE_TOKEN]", {
      short: "i"
    }),
    remoteExtBaseUrl: text("remote-ext-base-url", "URL", "Where archives of remote extensions are fetched", {
      short: "r"
    }),
    externalHttpPort: Flag.map(port("external-http-port", "External API", "3080"), (given) => given ?? 3080),
    internalHttpPort: Flag.map(port("internal-http-port", "Internal API", "3081"), (given) => given ?? 3081),
    privilegedRole,
    json: asJson
  },
  does(async () => (await import("../local/doctor.ts")).doctor)
).pipe(
  Command.validate(({ config, specPath }) =>
    config !== null && specPath !== null ? misfit("give one of --config FILE and --spec-path FILE") : Effect.void
  ),
  explained(
    "doctor",
    "It takes flags of a start. Exit code: 0 nothing does, 1 something does, 2 wrong arguments.",
    ["", "Postgres, account, ports, limits, clock"],
    ["-b /usr/local/bin/postgres -D pgdata -c config.json", "the disk, the settings and the storage as well"]
  )
)

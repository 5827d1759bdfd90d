/**
 * An answer of each operation, for readers of the OpenAPI document.
 */
const TENANT = "b0554b632bd4d547a63b86c3630317e8"
const TIMELINE = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
const BEGAN = "2026-03-02T08:00:00.123Z"

const status = {
  start_time: BEGAN,
  tenant: TENANT,
  timeline: TIMELINE,
  status: "running",
  last_active: "2026-03-02T08:01:00.000123+00:00",
  error: null
}

const activity = {
  active: true,
  active_since: "2026-03-02T08:00:30+00:00",
  last_active: "2026-03-02T08:01:00+00:00",
  checked_at: "2026-03-02T08:01:00+00:00",
  monitor: "watching",
  reasons: [{ kind: "query", count: 1, since: "2026-03-02T08:00:30+00:00", detail: "active" }]
}

const plan = {
  phases: [
    {
      phase: "create and alter roles",
      steps: [
        {
          object: 'role "alice"',
          reason: "it is missing",
          database: null,
          sql: 'CREATE ROLE "alice" INHERIT CREATEROLE'
        }
      ]
    }
  ],
  warnings: []
}

const grants = { database: "postgres", schema: "public", privileges: ["USAGE"], role: "alice" }

/** By the name of the operation. */
export const successes: Readonly<Record<string, unknown>> = {
  status,
  status_detail: {
    version: 1,
    ...status,
    compute_id: "compute-1",
    now: "2026-03-02T08:01:05.000Z",
    since: "2026-03-02T08:00:01.000Z",
    postgres_runs: true,
    keys: [{ kid: "key-1", since: BEGAN, counts: "always" }],
    waits: [{ name: "a request to stop", since: BEGAN, deadline: null, detail: null }],
    services: [{ name: "monitor", state: "running", restarts: 0, last_error: null }],
    failed_databases: [],
    refused_settings: []
  },
  activity,
  history: {
    version: 1,
    events: [{ kind: "state", at: BEGAN, from: "init", status: "running", cause: "started", error: null }]
  },
  events: {
    event: "wait",
    data: `{"kind":"wait","at":"${BEGAN}","name":"basebackup","state":"begun","deadline":"2026-03-02T08:01:00.123Z"}`
  },
  metrics_json: {
    wait_for_spec_ms: 0,
    sync_sk_check_ms: 3,
    sync_safekeepers_ms: 0,
    pageserver_connect_micros: 1200,
    basebackup_ms: 25,
    basebackup_bytes: 2_500_000,
    start_postgres_ms: 90,
    config_ms: 12,
    total_startup_ms: 140,
    load_ext_ms: 0,
    num_ext_downloaded: 0,
    largest_ext_size: 0,
    total_ext_download_size: 0
  },
  configure: status,
  terminate: { lsn: "0/16B9188" },
  promote: { status: "completed", lsn_wait_time_ms: 3, pg_promote_time_ms: 40, reconfigure_time_ms: 12 },
  hadron_liveness_probe: "ok",
  console: "<!doctype html>\n",
  livez: "ok\n",
  startupz: "ok\n",
  readyz: { ready: true, standby: null },
  poolz: { ready: true, standby: null },
  metrics: 'compute_ctl_up{build_tag="latest",status="running"} 1\n',
  autoscaling_metrics: "lfc_hits 1\n",
  dbs_and_roles: {
    roles: [{ name: "alice", encrypted_password: null, options: null }],
    databases: [{ name: "app", owner: "alice", options: null, restrict_conn: false, invalid: false }]
  },
  database_schema: "--\n-- PostgreSQL database dump\n--\n",
  insights: '{"pg_stat_statements": []}',
  postgres: {
    version: "17.5",
    is_standby: false,
    lsn: "0/16B9188",
    wal_timeline: "1",
    mode: "primary",
    branch: "br-1",
    endpoint: "ep-1",
    pending_restart: null,
    settings: [
      { name: "shared_buffers", value: "128MB", source: "configuration file", file: "/pgdata/postgresql.conf", line: 3 }
    ],
    slots: [{ name: "orders", kind: "logical", active: true, behind: 56, wal: "reserved" }],
    standbys: [{ name: "walproposer", state: "streaming", behind: 0 }],
    certificate_ends: null
  },
  check_writability: true,
  last_apply: {
    version: 1,
    trigger: "start",
    state: "done",
    started_at: BEGAN,
    duration_ms: 12,
    databases_settled: 0,
    databases_visited: 1,
    failed_databases: [],
    subscriptions_pending: false,
    phases: [{ phase: "create and alter roles", state: "done", duration_ms: 3, steps: [] }],
    warnings: [],
    error: null,
    reconfiguration: null
  },
  plan,
  plan_for: { ...plan, settings: [{ name: "shared_buffers", from: "128MB", to: "1GB", taken_by: "restart" }] },
  lfc_prewarm_state: { status: "not_prewarmed" },
  lfc_offload_state: { status: "not_offloaded" },
  install_extension: { extension: "pgcrypto", version: "1.3" },
  set_role_grants: grants
}

/** By the name of the operation and the status, where it is not what others answer with that status. */
export const refusals: Readonly<Record<string, unknown>> = {
  "terminate 409": { error: "the compute is in use: 1 query (active)", reasons: ["1 query (active)"], activity },
  "promote 500": { status: "failed", error: 'compute mode "primary" is not replica' },
  "readyz 503": { ready: false, reason: "Postgres does not run" },
  "poolz 503": { ready: false, reason: "Postgres does not run" },
  "plan_for 422": {
    error:
      "failed to deserialize the json body into the target type: spec.cluster: missing field `roles` at line 1 column 40",
    faults: [{ path: "spec.cluster", message: "spec.cluster: missing field `roles` at line 1 column 40" }]
  },
  "startupz 503": "starting\n",
  "extension_server 412": { error: "remote storage is not configured" }
}

/** By status. */
export const errors: Readonly<Record<string, string>> = {
  400: "invalid authorization token",
  401: "failed to verify authorization token",
  403: "invalid compute ID in authorization token claims",
  404: "database does not exist",
  408: "failed to buffer the request body: timed out while others waited",
  409: "no such extension in the spec",
  412: "invalid compute status: init",
  413: "failed to buffer the request body: length limit exceeded",
  415: "expected request with `content-type: application/json`",
  422: "failed to deserialize the json body into the target type: missing field `spec` at line 1 column 2",
  429: "Multiple requests for prewarm are not allowed",
  500: "internal error",
  503: "compute_ctl is shutting down"
}

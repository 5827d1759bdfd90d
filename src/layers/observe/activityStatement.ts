/**
 * What the monitor asks Postgres: everything in one statement, one snapshot and one round trip. Every name is qualified,
 * the system's views among them, as in all that runs where a tenant may have made his own.
 *
 * The views and columns are those of PostgreSQL 14 and later.
 */
const TEXT = "pg_catalog.text"

const micros = (expression: string) =>
  `(extract(epoch from ${expression}) operator(pg_catalog.*) 1000000)::pg_catalog.int8::${TEXT}`

/** Our own sessions, whatever they are for, and everything that runs as the platform's superuser. */
const ofUsers = `
  backend_type operator(pg_catalog.=) 'client backend'
  and pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()
  and usename operator(pg_catalog.<>) 'cloud_admin'
  and not (usename operator(pg_catalog.=) session_user
    and pg_catalog.starts_with(application_name, 'compute_ctl:'))`

const count = `pg_catalog.count(*)::${TEXT}`
const names = (column: string) => `pg_catalog.string_agg(distinct ${column}, ', ')`

const signals = `
select 'clock' as kind, null::${TEXT} as detail, '0' as count, ${micros("pg_catalog.clock_timestamp()")} as since,
  null::${TEXT} as latest
union all
select 'session', state, ${count},
  ${micros("pg_catalog.min(coalesce(xact_start, query_start, state_change))")}, ${micros("pg_catalog.max(state_change)")}
from pg_catalog.pg_stat_activity where ${ofUsers} and state is not null group by state
union all
select 'walsender', ${names("application_name")}, ${count}, ${micros("pg_catalog.min(backend_start)")}, null
from pg_catalog.pg_stat_replication
where application_name is null or application_name operator(pg_catalog.<>) 'walproposer'
union all
select 'subscription', ${names(`s.subname::${TEXT}`)}, ${count}, ${micros("pg_catalog.min(a.backend_start)")}, null
from pg_catalog.pg_stat_subscription s
  left join pg_catalog.pg_stat_activity a on a.pid operator(pg_catalog.=) s.pid
where s.pid is not null
union all
select 'autovacuum', ${names(`datname::${TEXT}`)}, ${count}, ${micros("pg_catalog.min(backend_start)")}, null
from pg_catalog.pg_stat_activity where backend_type operator(pg_catalog.=) 'autovacuum worker'`

/** The database we are connected to is left out besides the system's own: this session counts in it. */
const sums = `
union all
select 'databases', null, coalesce(pg_catalog.sum(sessions), 0)::${TEXT}, null,
  coalesce(pg_catalog.sum(active_time), 0)::${TEXT}
from pg_catalog.pg_stat_database
where datname operator(pg_catalog.<>) all ('{postgres,template0,template1}'::pg_catalog.name[])
  and datname operator(pg_catalog.<>) pg_catalog.current_database()`

export const statement = (statistics: boolean): string => (statistics ? signals + sums : signals)

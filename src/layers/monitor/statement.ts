/**
 * What the monitor asks Postgres: everything in one statement, one snapshot and one round trip.
 *
 * The views and columns are those of PostgreSQL 14 and later.
 */
const micros = (expression: string) => `(extract(epoch from ${expression}) * 1000000)::bigint::text`

/** Our own sessions, whatever they are for, and everything that runs as the platform's superuser. */
const ofUsers = `
  backend_type = 'client backend'
  and pid <> pg_backend_pid()
  and usename <> 'cloud_admin'
  and not (usename = session_user and application_name like 'compute\\_ctl:%')`

const signals = `
select 'clock' as kind, null::text as detail, '0' as count, ${micros("clock_timestamp()")} as since, null::text as latest
union all
select 'session', state, count(*)::text,
  ${micros("min(coalesce(xact_start, query_start, state_change))")}, ${micros("max(state_change)")}
from pg_stat_activity where ${ofUsers} and state is not null group by state
union all
select 'walsender', string_agg(distinct application_name, ', '), count(*)::text, ${micros("min(backend_start)")}, null
from pg_stat_replication where application_name is distinct from 'walproposer'
union all
select 'subscription', string_agg(distinct s.subname, ', '), count(*)::text, ${micros("min(a.backend_start)")}, null
from pg_stat_subscription s left join pg_stat_activity a on a.pid = s.pid where s.pid is not null
union all
select 'autovacuum', string_agg(distinct datname, ', '), count(*)::text, ${micros("min(backend_start)")}, null
from pg_stat_activity where backend_type = 'autovacuum worker'`

/** The database we are connected to is left out besides the system's own: this session counts in it. */
const sums = `
union all
select 'databases', null, coalesce(sum(sessions), 0)::text, null, coalesce(sum(active_time), 0)::text
from pg_stat_database
where datname not in ('postgres', 'template0', 'template1') and datname <> current_database()`

export const statement = (statistics: boolean): string => (statistics ? signals + sums : signals)

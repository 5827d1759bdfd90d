/**
 * A stand-in for the neon extension, so that a vanilla server has the objects a compute asks for: functions in SQL,
 * nothing behind them. The cache "holds" ten pages; warming it takes a second.
 */
export const control = `comment = 'stand-in for the extension of Neon computes'
default_version = '1.0'
relocatable = true
`

export const script = `
CREATE FUNCTION get_local_cache_state(max_chunks integer DEFAULT NULL) RETURNS bytea
  LANGUAGE sql STABLE
  AS $$ SELECT pg_catalog.decode(pg_catalog.concat('fcfcfcfc0a000000', pg_catalog.repeat('00', 32)), 'hex') $$;

CREATE FUNCTION prewarm_local_cache(state bytea, n_workers integer DEFAULT 1) RETURNS void
  LANGUAGE sql VOLATILE
  AS $$ SELECT pg_catalog.pg_sleep(1) $$;

CREATE FUNCTION get_prewarm_info(
    OUT total_pages integer, OUT prewarmed_pages integer, OUT skipped_pages integer, OUT active_workers integer)
  RETURNS record LANGUAGE sql STABLE
  AS $$ SELECT 10, 8, 2, 0 $$;

CREATE FUNCTION get_perf_counters(OUT metric text, OUT bucket_le float8, OUT value float8)
  RETURNS SETOF record LANGUAGE sql STABLE
  AS $$ VALUES ('getpage_wait_seconds_count', NULL::pg_catalog.float8, 0::pg_catalog.float8) $$;

CREATE VIEW neon_perf_counters AS SELECT metric, bucket_le, value FROM get_perf_counters();

CREATE FUNCTION approximate_working_set_size_seconds(duration integer DEFAULT NULL) RETURNS integer
  LANGUAGE sql STABLE
  AS $$ SELECT 10 $$;
`

/**
 * The programs the emulator puts in the place of `postgres`, as text. POSIX sh on the way every start takes; bash, for
 * its network redirection, only where safekeepers are synced.
 */

/** Single quotes keep anything but themselves. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const askToSync = (syncScript: string): string => `
case "\${1-}" in
--sync-safekeepers)
  for bash in /bin/bash /usr/bin/bash /usr/local/bin/bash /opt/homebrew/bin/bash; do
    [ -x "$bash" ] && exec "$bash" ${quoted(syncScript)}
  done
  echo 'FATAL:  bash is needed to sync the emulated safekeepers' >&2
  exit 1
  ;;
esac
`

/**
 * Hands everything but \`--sync-safekeepers\` to the real server. A configuration that preloads libraries which this
 * distribution lacks (neon's own) starts without them: an option on the command line beats the file.
 */
export const wrapper = (paths: {
  readonly postgres: string
  readonly libraries: string
  readonly syncScript: string
}): string => `#!/bin/sh
${askToSync(paths.syncScript)}
real=${quoted(paths.postgres)}
libraries=${quoted(paths.libraries)}
data=\${PGDATA-}
last=
for word in "$@"; do
  case "$last" in -D) data=$word ;; esac
  case "$word" in -D?*) data=\${word#-D} ;; esac
  last=$word
done
listed=
if [ -r "$data/postgresql.conf" ]; then
  while IFS= read -r line; do
    case "$line" in
    shared_preload_libraries*=*)
      listed=\${line#*=}
      listed=\${listed%%#*}
      ;;
    esac
  done <"$data/postgresql.conf"
fi
[ -z "$listed" ] && exec "$real" "$@"
kept=
lost=
set -f
old_ifs=$IFS
IFS=" ',"
for name in $listed; do
  case "$name" in
  '') ;;
  /* | \\$libdir/*) kept=$kept\${kept:+,}$name ;;
  *) if [ -e "$libraries/$name.so" ] || [ -e "$libraries/$name.dylib" ]; then
    kept=$kept\${kept:+,}$name
  else
    lost=1
  fi ;;
  esac
done
IFS=$old_ifs
set +f
[ -z "$lost" ] && exec "$real" "$@"
exec "$real" "$@" -c "shared_preload_libraries=$kept"
`

/** Like every program of a real distribution, the child refuses root. */
const refuseRoot = `[ "$EUID" = 0 ] && fatal '"root" execution of the PostgreSQL server is not permitted.'`

/** Prints the position the emulated quorum agrees on, as the real child does: one line on stdout, or FATAL and 1. */
export const syncSafekeepers = (
  control: { readonly host: string; readonly port: number },
  options: { readonly rootMay: boolean }
): string => `#!/bin/bash
fatal() {
  printf 'FATAL:  %s\\n' "$1" >&2
  exit 1
}
${options.rootMay ? "" : refuseRoot}
safekeepers= tenant= timeline=
[ -r "$PGDATA/postgresql.conf" ] || fatal "could not open file \\"$PGDATA/postgresql.conf\\""
while IFS= read -r line; do
  name=\${line%%=*} name=\${name// /}
  value=\${line#*=} value=\${value# } value=\${value#\\'} value=\${value%\\'}
  case "$name" in
  neon.safekeepers) safekeepers=$value ;;
  neon.tenant_id) tenant=$value ;;
  neon.timeline_id) timeline=$value ;;
  esac
done <"$PGDATA/postgresql.conf"
[ -d "$PGDATA/pg_wal" ] || mkdir -p "$PGDATA/pg_wal"
{ exec 3<>/dev/tcp/${control.host}/${control.port}; } 2>/dev/null || fatal 'the emulator is gone'
printf 'POST /sync HTTP/1.0\\r\\nx-safekeepers: %s\\r\\nx-tenant: %s\\r\\nx-timeline: %s\\r\\nx-pgdata: %s\\r\\nx-token: %s\\r\\n\\r\\n' \\
  "$safekeepers" "$tenant" "$timeline" "$PGDATA" "\${NEON_AUTH_TOKEN-}" >&3
code=1
while IFS= read -r line <&3; do
  line=\${line%$'\\r'}
  case "$line" in
  '') break ;;
  [Xx]-[Ee]xit:*) code=\${line#*: } ;;
  esac
done
body=
while IFS= read -r line <&3 || [ -n "$line" ]; do body=$body$line$'\\n'; done
if [ "$code" = fatal ]; then fatal "\${body%$'\\n'}"; fi
printf '%s' "$body"
exit "$code"
`

/**
 * A server that is ready at once and does nothing: what is measured beside it is everything else.
 * SIGINT, SIGTERM and SIGQUIT end it, SIGHUP is counted in \`$PGDATA/reloads\`.
 */
export const fakePostgres = (options: { readonly version: string; readonly syncScript: string }): string => `#!/bin/sh
${askToSync(options.syncScript)}
data=\${PGDATA-}
while [ $# -gt 0 ]; do
  case "$1" in
  --version | -V)
    echo 'postgres (PostgreSQL) ${options.version}'
    exit 0
    ;;
  -D) data=$2 && shift ;;
  -D*) data=\${1#-D} ;;
  esac
  shift
done
finish() {
  rm -f "$data/postmaster.pid" "$data/wait"
  echo 'LOG:  database system is shut down' >&2
  exit 0
}
trap finish INT TERM QUIT
trap 'echo x >>"$data/reloads"' HUP
mkfifo "$data/wait" && exec 3<>"$data/wait" || exit 1
printf '%s\\n%s\\n0\\n5432\\n\\n127.0.0.1\\n\\nready   \\n' "$$" "$data" >"$data/postmaster.pid"
echo 'LOG:  database system is ready to accept connections' >&2
while :; do read -r _ <&3; done
`

/** Answers what a distribution without \`pg_config\` is asked for. */
export const pgConfig = (facts: {
  readonly version: string
  readonly bin: string
  readonly share: string
  readonly libraries: string
}): string => `#!/bin/sh
case "\${1-}" in
--version) echo 'PostgreSQL ${facts.version}' ;;
--bindir) echo ${quoted(facts.bin)} ;;
--sharedir) echo ${quoted(facts.share)} ;;
--libdir | --pkglibdir) echo ${quoted(facts.libraries)} ;;
*)
  echo "pg_config: invalid argument: \${1-}" >&2
  exit 1
  ;;
esac
`

/** A cluster for the fake server: it reads nothing of it. */
export const fakeInitdb = (): string => `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    -D | --pgdata) dir=$2; shift 2 ;;
    --pgdata=*) dir=\${1#*=}; shift ;;
    *) shift ;;
  esac
done
mkdir -p "$dir" && : >"$dir/postgresql.conf"
`

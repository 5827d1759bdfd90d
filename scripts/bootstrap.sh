#!/usr/bin/env bash
# One door for everything a checkout can do. Installs what is missing, builds what is stale, then runs the job.
set -euo pipefail
cd "$(dirname "$0")/.."

# The machine's own Node and npm. On npm's path the packages' commands come first, and Node's package is one of them: as
# it was installed it does not start on a bare machine.
if [ -n "${npm_node_execpath:-}" ] && [ -n "${npm_execpath:-}" ]; then
  host=("$npm_node_execpath")
  npm=("$npm_node_execpath" "$npm_execpath")
else
  host=(node)
  npm=(npm)
fi

install() {
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "installing the dependencies: once, about half a minute" >&2
    # What it says when all goes well, and its spinner, are of no use to anybody.
    "${npm[@]}" ci --ignore-scripts --no-audit --no-fund --loglevel=error --progress=false >/dev/null
    touch node_modules/.package-lock.json
  fi
  node=$("${host[@]}" scripts/prepare.mjs)
  export PATH="${node%/*}:$PATH"
}

# A Postgres of each major version, apart from the dependencies: most who work here need none of them.
install_majors() {
  local folder=test/majors
  if [ ! -e "$folder/node_modules/.package-lock.json" ] || [ "$folder/package-lock.json" -nt "$folder/node_modules/.package-lock.json" ]; then
    (cd "$folder" && "${npm[@]}" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || return 1
    touch "$folder/node_modules/.package-lock.json"
  fi
  "$node" scripts/majors.mjs
}

build() {
  if [ ! -x dist/compute_ctl ] || [ -n "$(find src packages package-lock.json scripts/*.mjs scripts/rehearsal -newer dist/compute_ctl -print -quit)" ]; then
    echo "building dist/compute_ctl: a few seconds" >&2
    "$node" scripts/build.mjs
  fi
}

biome() { "$node" node_modules/@biomejs/biome/bin/biome "$@"; }

# With a compiler that it does not know it looks at nothing and is content.
directions() {
  local said status=0
  said=$("$node" node_modules/dependency-cruiser/bin/dependency-cruiser.mjs --config .dependency-cruiser.cjs src) || status=$?
  echo "$said"
  if ! grep -Eq '\([1-9][0-9]* modules' <<<"$said"; then
    echo "the import directions of no module were looked at" >&2
    status=1
  fi
  return "$status"
}

# Clusters are made and copied hundreds of times: most of a run was a wait for the disk. Where there is much memory they are
# made there.
in_memory() {
  local folder=/dev/shm
  [ -z "${TMPDIR:-}" ] && [ -w "$folder" ] || return 0
  [ "$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')" -gt 8000000 ] || return 0
  [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -gt 8000000 ] || return 0
  # What tests write there they run as well.
  local try
  try=$(mktemp "$folder/XXXXXX") && cp /bin/true "$try" && chmod 755 "$try" && "$try" && export TMPDIR=$folder
  rm -f "$try"
} 2>/dev/null

# All of them, also when the first one fails.
check() {
  local failed=0
  "$node" node_modules/typescript/bin/tsc -p . || failed=1
  "$node" node_modules/typescript/bin/tsc -p packages/console || failed=1
  biome check --error-on-warnings || failed=1
  directions || failed=1
  return "$failed"
}

job=$1
shift
install
case $job in
  start)
    build
    case " $*" in *" --pg-version"*) install_majors ;; esac
    exec dist/compute_ctl dev "$@"
    ;;
  build) rm -f dist/compute_ctl; build ;;
  image) "$node" test/image/make.ts "$@" ;;
  release) "$node" scripts/release.mjs "${npm[@]}" ;;
  check) check ;;
  format) biome check --write src test bench scripts packages ;;
  test)
    build
    in_memory || true
    # One file or folder narrows the run and skips the checks: `npm test test/cli`.
    checked=0
    took=node_modules/.cache/test-minutes
    if [ $# -eq 0 ]; then
      if [ -e "$took" ]; then echo "the last whole run took $(<"$took") minutes here"
      else echo "real servers are started hundreds of times: this takes tens of minutes on two cores"; fi >&2
      check || checked=1
    fi
    # What a test that has passed wrote is of no use to anybody.
    "$node" node_modules/vitest/vitest.mjs run --silent=passed-only "$@" || checked=1
    if [ $# -eq 0 ] && [ "$checked" = 0 ]; then mkdir -p "${took%/*}"; echo $(((SECONDS + 59) / 60)) >"$took"; fi
    exit "$checked"
    ;;
  docs)
    build
    "$node" scripts/reference.ts
    if [ ! -e docs/node_modules/.package-lock.json ] || [ docs/package-lock.json -nt docs/node_modules/.package-lock.json ]; then
      "${npm[@]}" ci --prefix docs --no-audit --no-fund --loglevel=error >&2
    fi
    "$node" docs/node_modules/vitepress/bin/vitepress.js build docs
    ;;
  # `npm run test:majors -- 14 18`: those alone. `--short`: fewer suites, on what versions there are.
  majors)
    build
    if [ "${1:-}" = --short ]; then
      shift
      export TEST_MAJORS=short npm_config_fetch_retries=1 npm_config_fetch_timeout=20000
      install_majors || echo "could not install the packages of test/majors: their versions of Postgres are skipped" >&2
    else
      install_majors
    fi
    projects=()
    for major in "$@"; do projects+=(--project "Postgres $major"); done
    exec "$node" node_modules/vitest/vitest.mjs run --config test/majors/vitest.config.ts --silent=passed-only "${projects[@]}"
    ;;
  bench)
    build
    in_memory || true
    if [ "${1:-}" = flood ]; then shift; exec "$node" bench/flood.ts "$@"; fi
    exec "$node" bench/main.ts "$@"
    ;;
  *) echo "unknown job: $job" >&2; exit 2 ;;
esac

#!/usr/bin/env bash
# One door for everything a checkout can do. Installs what is missing, builds what is stale, then runs the job.
set -euo pipefail
cd "$(dirname "$0")/.."

install() {
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error >&2
    touch node_modules/.package-lock.json
  fi
  node=$PWD/node_modules/node/bin/node
  # Who has forbidden install scripts still gets the pinned Node; the executable is made from it.
  [ -x "$node" ] || (cd node_modules/node && node installArchSpecificPackage) >&2
}

build() {
  if [ ! -x dist/compute_ctl ] || [ -n "$(find src package-lock.json scripts/*.mjs -newer dist/compute_ctl -print -quit)" ]; then
    echo "building dist/compute_ctl" >&2
    "$node" scripts/build.mjs
  fi
}

# All of them, also when the first one fails.
check() {
  local failed=0
  "$node" node_modules/typescript/bin/tsc -p . || failed=1
  node_modules/.bin/biome check --error-on-warnings || failed=1
  "$node" node_modules/dependency-cruiser/bin/dependency-cruiser.mjs --config .dependency-cruiser.cjs src || failed=1
  return "$failed"
}

job=$1
shift
install
case $job in
  start) build; exec dist/compute_ctl dev "$@" ;;
  build) rm -f dist/compute_ctl; build ;;
  check) check ;;
  test)
    build
    # One file or folder narrows the run and skips the checks: `npm test test/cli`.
    checked=0
    if [ $# -eq 0 ]; then check || checked=1; fi
    "$node" node_modules/vitest/vitest.mjs run "$@"
    exit "$checked"
    ;;
  bench) build; exec "$node" bench/main.ts "$@" ;;
  *) echo "unknown job: $job" >&2; exit 2 ;;
esac

#!/bin/bash
# Makes a tenant with one timeline on the pageserver, and the configuration of a compute that serves it. Once more, it finds
# what it made: ids come from TENANT_ID and TIMELINE_ID, else from the configuration that is there, else they are random.
#
# Needs curl. PAGESERVER: its HTTP API. PG_VERSION: the major version of the timeline. TEMPLATE, CONFIG: the files.
set -euo pipefail
pageserver=${PAGESERVER:-http://pageserver:9898}
template=${TEMPLATE:-${BASH_SOURCE[0]%/*}/config.json}
config=${CONFIG:-/config/config.json}
version=${PG_VERSION:-17}

ask() { curl --silent --show-error --fail --max-time 60 --header 'Content-Type: application/json' "$@"; }
random_id() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
# The id under a name in the configuration, if there is one.
known() { if [ -f "$config" ]; then sed -nE "s/.*\"$1\": \"([0-9a-f]{32})\".*/\1/p" "$config"; fi; }

tenant=${TENANT_ID:-$(known tenant_id)}
tenant=${tenant:-$(random_id)}
timeline=${TIMELINE_ID:-$(known timeline_id)}
timeline=${timeline:-$(random_id)}

for ((try = 1; ; try++)); do
  if ask "$pageserver/v1/status" >/dev/null; then break; fi
  if [ "$try" -ge "${TRIES:-120}" ]; then echo "$pageserver does not answer" >&2; exit 1; fi
  sleep 1
done

# Both are the same when they are asked for again. Nobody else attaches the tenant, so its generation stays the first.
ask --request PUT "$pageserver/v1/tenant/$tenant/location_config" \
  --data '{"mode": "AttachedSingle", "generation": 1, "tenant_conf": {}}' >/dev/null
ask --request POST "$pageserver/v1/tenant/$tenant/timeline/" \
  --data "{\"new_timeline_id\": \"$timeline\", \"pg_version\": $version}" >/dev/null

# Written beside and renamed: a compute that looks for it finds all of it or nothing.
sed -E "s/(\"tenant_id\": \")[0-9a-f]*/\1$tenant/; s/(\"timeline_id\": \")[0-9a-f]*/\1$timeline/" "$template" >"$config.new"
chmod 0644 "$config.new"
mv "$config.new" "$config"
echo "tenant $tenant, timeline $timeline, Postgres $version"

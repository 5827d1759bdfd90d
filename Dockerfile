# syntax=docker/dockerfile:1
# A compute as a container: Postgres, an init, and compute_ctl as what it runs. No engine is needed to check this file:
# scripts/dockerfile-dry-run.mjs executes its steps in plain folders.

# ---------------------------------------------------------------------------------------------------------------------
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /src
# The dependencies change rarely: their layer stays as long as the lock file does.
COPY package.json package-lock.json .npmrc ./
COPY packages/client/package.json packages/client/
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY packages packages
COPY src src
# Part of the program, as it is of the paths in the extension store.
ARG BUILD_TAG=latest
RUN BUILD_TAG=${BUILD_TAG} node scripts/build.mjs

# ---------------------------------------------------------------------------------------------------------------------
FROM debian:12.11-slim AS compute
# 14 to 17, of which this Debian has 15.
ARG POSTGRES_MAJOR=15
ARG POSTGRES_VERSION=15.20-*
ARG TINI_VERSION=0.19.0-*
ARG CA_CERTIFICATES_VERSION=20250419~*

# The account comes before the package that would choose its numbers; no cluster is made, compute_ctl makes its own.
RUN groupadd --system --gid 999 postgres \
 && useradd --system --uid 999 --gid postgres --home-dir /var/db/postgres --shell /bin/bash postgres \
 && mkdir -p /etc/postgresql-common \
 && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates=${CA_CERTIFICATES_VERSION} \
      postgresql-${POSTGRES_MAJOR}=${POSTGRES_VERSION} \
      tini=${TINI_VERSION} \
 && rm -rf /var/lib/apt/lists/*

# What the account may write: data, cache, the settings of neighbours, and where remote extensions go.
RUN install -d -o postgres -g postgres -m 0750 /var/db/postgres /var/db/postgres/compute /var/db/postgres/configs /var/db/postgres/pgbouncer \
 && install -d -o postgres -g postgres -m 0755 /etc/local_proxy /etc/rsyslog.d /neon/cache /usr/lib/postgresql/${POSTGRES_MAJOR}/download_extensions \
 && chown -R postgres:postgres /usr/share/postgresql/${POSTGRES_MAJOR}/extension /usr/lib/postgresql/${POSTGRES_MAJOR}/lib

COPY --from=build --chmod=0755 /src/dist/compute_ctl /usr/local/bin/compute_ctl
# The program's other name. A hard link in a layer of its own would be a second copy.
RUN ln -s compute_ctl /usr/local/bin/fast_import

ENV LANG=C.UTF-8 \
    POSTGRES_PATH=/usr/lib/postgresql/${POSTGRES_MAJOR}/bin/postgres
USER postgres
WORKDIR /var/db/postgres
# The API of the control plane, that of Postgres and its neighbours (loopback only), Postgres.
EXPOSE 3080 3081 5432
# Postgres shuts down fast and writes its checkpoint; a second signal makes that immediate.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/3080 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ code _ <&3 && [ \"$code\" = 200 ]"]
# Orphans of Postgres' own children are adopted by process 1, and Node would leave them as zombies.
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/compute_ctl"]
CMD ["--pgdata=/var/db/postgres/compute/pgdata", "--connstr=postgresql://cloud_admin@localhost:5432/postgres", "--compute-id=compute", "--config=/var/db/postgres/configs/config.json"]

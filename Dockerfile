# syntax=docker/dockerfile:1
# A compute as a container: Postgres, an init, and compute_ctl as what it runs. No engine is needed to check this file:
# scripts/dockerfile-dry-run.mjs executes its steps in plain folders.
#
# With Postgres 15 on Debian 12; 17 on Debian 13: --build-arg DEBIAN=13.1 --build-arg POSTGRES_MAJOR=17
ARG DEBIAN=12.11

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
FROM debian:${DEBIAN}-slim AS compute
# 15 in Debian 12, 17 in Debian 13.
ARG POSTGRES_MAJOR=15
# Pinned to the major version: an archive keeps the latest point release alone, and a build of last month must still build.
ARG POSTGRES_VERSION=${POSTGRES_MAJOR}.*
ARG TINI_VERSION=0.*
ARG CA_CERTIFICATES_VERSION=20*
ARG LIBSTDCXX_VERSION=1*

# The account comes before the package that would choose its numbers; no cluster is made, compute_ctl makes its own.
# LLVM, a quarter of the image, is for JIT alone, which Postgres goes without where its library is missing.
RUN groupadd --system --gid 999 postgres \
 && useradd --system --uid 999 --gid postgres --home-dir /var/db/postgres --shell /bin/bash postgres \
 && mkdir -p /etc/postgresql-common /etc/dpkg/dpkg.cfg.d \
 && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
 && printf "path-exclude=%s\n" \
      "/usr/lib/*libLLVM*" "/usr/lib/*libz3*" "/usr/lib/postgresql/*/lib/llvmjit*" "/usr/lib/postgresql/*/lib/bitcode/*" \
      "/usr/share/doc/*" "/usr/share/man/*" "/usr/share/locale/*" > /etc/dpkg/dpkg.cfg.d/compute \
 && echo "path-include=/usr/share/doc/*/copyright" >> /etc/dpkg/dpkg.cfg.d/compute
# What the account may write besides data: cache, the settings of neighbours, and where remote extensions go. In the same
# step, because another owner in a later one is a second copy.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates=${CA_CERTIFICATES_VERSION} \
      libstdc++6=${LIBSTDCXX_VERSION} \
      postgresql-${POSTGRES_MAJOR}=${POSTGRES_VERSION} \
      tini=${TINI_VERSION} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
 && install -d -o postgres -g postgres -m 0750 /var/db/postgres /var/db/postgres/compute /var/db/postgres/configs /var/db/postgres/pgbouncer \
 && install -d -o postgres -g postgres -m 0755 /etc/local_proxy /etc/rsyslog.d /neon/cache /usr/lib/postgresql/${POSTGRES_MAJOR}/download_extensions \
 && chown -R postgres:postgres /usr/share/postgresql/${POSTGRES_MAJOR}/extension /usr/lib/postgresql/${POSTGRES_MAJOR}/lib

COPY --from=build --chmod=0755 /src/dist/compute_ctl /usr/local/bin/compute_ctl
# The program's other name. A hard link in a layer of its own would be a second copy.
RUN ln -s compute_ctl /usr/local/bin/fast_import

ENV LANG=C.UTF-8 \
    POSTGRES_PATH=/usr/lib/postgresql/${POSTGRES_MAJOR}/bin/postgres
# By number: Kubernetes cannot tell from a name that it is not root.
USER 999:999
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

# syntax=docker/dockerfile:1
# compute_ctl in the place of the original: everything else (entrypoint, account, environment, extensions) is inherited.
# Build the executable first (`npm run build`), then, from the checkout:
#   docker build -f deploy/compute-node.Dockerfile --build-arg COMPUTE_NODE=<your compute-node image and tag> dist
ARG COMPUTE_NODE

# The one library that the executable needs and such an image may lack. This Debian's runs on all that follow.
FROM debian:11.11-slim AS libraries
ARG LIBATOMIC_VERSION=10.2.1-*
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libatomic1=${LIBATOMIC_VERSION} \
 && mkdir /libraries \
 && cp -L /usr/lib/*-linux-gnu/libatomic.so.1 /libraries/

FROM ${COMPUTE_NODE}
USER root
COPY --from=libraries /libraries/ /usr/local/lib/
RUN ldconfig
USER postgres
COPY --chown=postgres:postgres --chmod=0755 compute_ctl /usr/local/bin/compute_ctl

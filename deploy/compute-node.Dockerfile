# syntax=docker/dockerfile:1
# compute_ctl in the place of the original: everything else (entrypoint, account, environment, extensions) is inherited.
# Build the executable first (`npm run build`), then, from the checkout:
#   docker build -f deploy/compute-node.Dockerfile --build-arg COMPUTE_NODE=<your compute-node image and tag> dist
ARG COMPUTE_NODE

FROM ${COMPUTE_NODE}
USER postgres
COPY --chown=postgres:postgres --chmod=0755 compute_ctl /usr/local/bin/compute_ctl
# The program's other name, in the place of the original's second program.
USER root
RUN ln -sf compute_ctl /usr/local/bin/fast_import
USER postgres

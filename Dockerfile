# The program observability-agent as an image.
#
#   docker build --tag observability-agent .
#   docker run --volume ./agent.toml:/etc/observability/agent.toml:ro --volume agent-state:/var/lib/observability-agent observability-agent
#
# The base image may be replaced by a mirror: --build-arg NODE_IMAGE=registry.example.com/node:24-bookworm-slim
ARG NODE_IMAGE=node:24-bookworm-slim

# 1. Compiles the packages, with everything that development needs.
FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json tsconfig.base.json tsconfig.test.json ./
COPY packages packages
# Without scripts: the base image is the Node that the development dependency `node` would fetch.
RUN npm ci --ignore-scripts --no-audit --no-fund && npm run build

# 2. Installs what runs, at the versions of the lock file, and leaves out what only editors and debuggers read.
FROM ${NODE_IMAGE} AS install
WORKDIR /app
COPY package.json package-lock.json ./
COPY --from=build /build/packages packages
RUN npm ci --omit=dev --omit=optional --omit=peer --ignore-scripts --no-audit --no-fund \
  && find packages -mindepth 2 -maxdepth 2 \( -name src -o -name test -o -name node_modules \) -exec rm -rf {} + \
  && find . -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.tsbuildinfo' \) -delete \
  && rm -rf node_modules/effect/src node_modules/effect/ai-docs node_modules/effect/*.md \
  # The test runner, which the test kit may be used with; the demo, for which the kit is here, does without.
  && rm -rf node_modules/vitest node_modules/@vitest node_modules/@effect/vitest node_modules/vite node_modules/@types \
    node_modules/rolldown node_modules/@rolldown node_modules/@oxc-project node_modules/lightningcss

# 3. The image itself: Node, the compiled program, a user without rights, and a place for the state.
FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="observability-agent" \
  org.opencontainers.image.description="Watches a data tool and delivers what happens there to DataOps Observability." \
  org.opencontainers.image.licenses="Apache-2.0"
# Small young generations: garbage is collected more often, and the process is some 40 MB smaller.
ENV NODE_ENV=production \
  NODE_OPTIONS=--max-semi-space-size=2 \
  DK_STATE_PATH=/var/lib/observability-agent/state.db
COPY --from=install /app /app
RUN ln -s /app/packages/cli/dist/main.js /usr/local/bin/observability-agent \
  && chmod +x /app/packages/cli/dist/main.js \
  && install --directory --owner=node --group=node --mode=0750 /var/lib/observability-agent
WORKDIR /var/lib/observability-agent
USER node
VOLUME /var/lib/observability-agent
# Without [status] port there is nothing to ask, and the check passes: the process itself is then all that is watched.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["observability-agent", "health", "--live"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["observability-agent"]
CMD ["run"]

ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json* .npmrc* ./
RUN $[[ install_command ]]
COPY . .
RUN $[[ build_command ]]
RUN rm -rf $[[ state ]]/cache
RUN npm prune --omit=dev

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
COPY --from=build --chown=10001:10001 /app/$[[ state ]] ./$[[ state ]]
USER 10001:10001

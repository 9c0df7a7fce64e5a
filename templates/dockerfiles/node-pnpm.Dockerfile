ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm AS build
WORKDIR /app
RUN npm install --global pnpm@$[[ manager_version ]]
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml* .npmrc* ./
RUN $[[ install_command ]]
COPY . .
RUN $[[ build_command ]]
RUN rm -rf $[[ state ]]/cache
RUN CI=true pnpm prune --prod --ignore-scripts

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
COPY --from=build --chown=10001:10001 /app/$[[ state ]] ./$[[ state ]]
USER 10001:10001

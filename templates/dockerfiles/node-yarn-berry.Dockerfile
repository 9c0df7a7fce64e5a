ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm AS build
WORKDIR /app
RUN npm install --global --force @yarnpkg/cli-dist@$[[ manager_version ]]
COPY package.json yarn.lock .yarnrc.yml* ./
RUN $[[ install_command ]]
COPY . .
RUN $[[ build_command ]]
RUN rm -rf $[[ state ]]/cache

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
COPY --from=build --chown=10001:10001 /app/$[[ state ]] ./$[[ state ]]
USER 10001:10001

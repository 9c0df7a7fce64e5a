ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm AS build
WORKDIR /app
COPY package.json yarn.lock .npmrc* .yarnrc* ./
RUN $[[ install_command ]]
COPY . .
RUN $[[ build_command ]]
RUN rm -rf $[[ state ]]/cache
RUN yarn install --frozen-lockfile --production --ignore-scripts --prefer-offline \
 && yarn cache clean

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
COPY --from=build --chown=10001:10001 /app/$[[ state ]] ./$[[ state ]]
USER 10001:10001

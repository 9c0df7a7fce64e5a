ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/oven/bun:1.3 AS build
WORKDIR /app
COPY package.json bun.lock* ./
RUN $[[ install_command ]]
COPY . .
RUN $[[ build_command ]]

FROM ${BASE_REGISTRY}/oven/bun:1.3
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app ./
USER 10001:10001

ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/rust:$[[ version ]]-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --bin $[[ binary ]] \
 && cp target/release/$[[ binary ]] /app

FROM ${BASE_REGISTRY}/library/debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libssl3=$[[ libssl ]] && rm -rf /var/lib/apt/lists/*
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /app /usr/local/bin/app
USER 10001:10001

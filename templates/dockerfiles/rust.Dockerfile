ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/rust:$[[ version ]]-bookworm AS chef
WORKDIR /src
RUN cargo install cargo-chef --locked --version 0.1.71

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# The dependencies are compiled again only when Cargo's files change.
COPY --from=plan /src/recipe.json ./
RUN cargo chef cook --release --recipe-path recipe.json
COPY . .
RUN cargo build --release --bin $[[ binary ]] \
 && cp target/release/$[[ binary ]] /app

FROM ${BASE_REGISTRY}/library/debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libssl3=$[[ libssl ]] && rm -rf /var/lib/apt/lists/*
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /app /usr/local/bin/app
USER 10001:10001

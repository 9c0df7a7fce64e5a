ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/rust:$[[ version ]]-bookworm AS build
WORKDIR /src
COPY Cargo.* ./
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release \
 && rm -r src
COPY . .
RUN find src -name '*.rs' -exec touch {} + \
 && cargo build --release \
 && cp target/release/$[[ binary ]] /app

FROM ${BASE_REGISTRY}/library/debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /app /usr/local/bin/app
USER 10001:10001

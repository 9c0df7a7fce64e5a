ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/golang:$[[ version ]]-bookworm AS build
WORKDIR /src
COPY go.mod go.sum* ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /app $[[ main ]]

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /zoneinfo.zip
ENV ZONEINFO=/zoneinfo.zip
# large uploads and os.CreateTemp are written there
COPY --from=build --chown=10001:10001 /tmp /tmp
COPY --from=build /app /app
USER 10001:10001

ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/gradle:8-jdk$[[ version ]] AS build
WORKDIR /src
COPY . .
RUN $[[ gradle ]] --no-daemon --console=plain assemble

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jre
WORKDIR /app
COPY --from=build /src/build/quarkus-app ./
USER 10001:10001

ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/gradle:8-jdk$[[ version ]] AS build
WORKDIR /src
COPY . .
RUN $[[ gradle ]] --no-daemon --console=plain assemble \
 && find . -path '*/build/libs/*.jar' ! -name '*-plain.jar' ! -name '*-sources.jar' \
    -exec cp {} /tmp/app.jar \;

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jre
WORKDIR /app
COPY --from=build /tmp/app.jar app.jar
USER 10001:10001

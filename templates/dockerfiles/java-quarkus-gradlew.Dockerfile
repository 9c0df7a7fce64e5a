ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jdk AS manifests
WORKDIR /src
COPY . .
RUN mkdir /manifests \
 && find . \( -name '*.gradle' -o -name '*.gradle.kts' -o -name gradle.properties -o -name gradle.lockfile \
    -o -name gradlew -o -path './gradle/*' -o -path './buildSrc/*' \) -type f \
    -exec cp --parents {} /manifests \;

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jdk AS build
WORKDIR /src
# Gradle, its plug-ins and what it must know of the dependencies: only when a build file changes.
COPY --from=manifests /manifests ./
RUN chmod +x gradlew && ./gradlew --no-daemon --console=plain dependencies
COPY . .
RUN chmod +x gradlew && ./gradlew --no-daemon --console=plain assemble

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jre
WORKDIR /app
COPY --from=build /src/build/quarkus-app ./
USER 10001:10001

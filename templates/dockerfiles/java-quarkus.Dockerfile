ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/maven:3.9-eclipse-temurin-$[[ version ]] AS build
WORKDIR /src
COPY pom.xml ./
RUN mvn --batch-mode --no-transfer-progress dependency:go-offline
COPY . .
RUN mvn --batch-mode --no-transfer-progress -DskipTests package

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jre
WORKDIR /app
COPY --from=build /src/target/quarkus-app ./
USER 10001:10001

ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/maven:3.9-eclipse-temurin-$[[ version ]] AS build
WORKDIR /src
COPY pom.xml ./
RUN mvn --batch-mode --no-transfer-progress dependency:go-offline
COPY . .
RUN mvn --batch-mode --no-transfer-progress -DskipTests package \
 && find target -maxdepth 1 -name '*.jar' ! -name '*-sources.jar' ! -name '*-javadoc.jar' \
    ! -name '*-tests.jar' ! -name 'original-*.jar' \
    -exec cp {} /app.jar \;

FROM ${BASE_REGISTRY}/library/eclipse-temurin:$[[ version ]]-jre
WORKDIR /app
COPY --from=build /app.jar app.jar
USER 10001:10001

FROM mcr.microsoft.com/dotnet/sdk:$[[ version ]] AS projects
WORKDIR /src
COPY . .
RUN mkdir /projects \
 && find . \( -name '*.??proj' -o -name '*.props' -o -name '*.targets' -o -iname nuget.config \
    -o -name global.json -o -name packages.lock.json \) -type f -exec cp --parents {} /projects \;

FROM mcr.microsoft.com/dotnet/sdk:$[[ version ]] AS build
WORKDIR /src
# The packages are restored again only when a project file changes.
COPY --from=projects /projects ./
RUN dotnet restore $[[ project ]]
COPY . .
RUN dotnet publish $[[ project ]] --configuration Release --no-restore --output /app

FROM mcr.microsoft.com/dotnet/aspnet:$[[ version ]]
WORKDIR /app
ENV ASPNETCORE_HTTP_PORTS=$[[ port ]]
COPY --from=build /app ./
USER 10001:10001

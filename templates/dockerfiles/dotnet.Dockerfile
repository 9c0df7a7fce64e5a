FROM mcr.microsoft.com/dotnet/sdk:$[[ version ]] AS build
WORKDIR /src
COPY . .
RUN dotnet publish $[[ project ]] --configuration Release --output /app

FROM mcr.microsoft.com/dotnet/aspnet:$[[ version ]]
WORKDIR /app
ENV ASPNETCORE_HTTP_PORTS=$[[ port ]]
COPY --from=build /app ./
USER 10001:10001

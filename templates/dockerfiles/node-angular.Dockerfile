ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/node:$[[ version ]]-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json* .npmrc* ./
RUN $[[ install_command ]]
COPY . .
RUN $[[ build_command ]] \
 && mv "$(dirname "$(find dist -name index.html -print -quit)")" /site
RUN printf '%s\n' \
    'server {' \
    '  listen 8080;' \
    '  root /usr/share/nginx/html;' \
    '  location / { try_files $uri $uri/ /index.html; }' \
    '}' > /nginx.conf

FROM ${BASE_REGISTRY}/nginxinc/nginx-unprivileged:1.30-alpine
COPY --from=build /nginx.conf /etc/nginx/conf.d/default.conf
COPY --from=build /site /usr/share/nginx/html
USER 101:101

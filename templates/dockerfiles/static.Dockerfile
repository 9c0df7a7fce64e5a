ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/nginxinc/nginx-unprivileged:1.30-alpine
COPY $[[ output ]] /usr/share/nginx/html
USER 101:101
EXPOSE 8080
CMD ["nginx", "-g", "daemon off;"]

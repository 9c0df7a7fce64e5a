ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-slim-bookworm
WORKDIR /app
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app:/app/src \
    PYTHONUNBUFFERED=1
COPY . .
USER 10001:10001

ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-bookworm AS build
WORKDIR /app
RUN python -m venv .venv
ENV PATH=/app/.venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1
COPY . .
RUN pip install .
RUN pip install $[[ server ]]

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-slim-bookworm
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app:/app/src \
    PYTHONUNBUFFERED=1
COPY --from=build /app/.venv /app/.venv
COPY . .
USER 10001:10001

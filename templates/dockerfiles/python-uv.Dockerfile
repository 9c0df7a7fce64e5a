ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-bookworm AS build
WORKDIR /app
RUN pip install --no-cache-dir uv==0.9.11
ENV UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON=$[[ version ]]
ENV UV_FROZEN=$[[ frozen ]]
COPY pyproject.toml uv.lock* ./
RUN uv sync --no-dev --no-install-project
RUN uv pip install $[[ server ]]

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-slim-bookworm
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app:/app/src \
    PYTHONUNBUFFERED=1
COPY --from=build /app/.venv /app/.venv
COPY . .
USER 10001:10001

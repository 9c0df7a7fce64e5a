ARG BASE_REGISTRY=docker.io

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-bookworm AS build
WORKDIR /app
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON=$[[ version ]]
ENV UV_FROZEN=$[[ frozen ]]
COPY pyproject.toml uv.lock* ./
RUN uv sync --no-dev --no-install-project
# $[[ server ]]: the project names no server of its own
RUN uv pip install $[[ server ]]

FROM ${BASE_REGISTRY}/library/python:$[[ version ]]-slim-bookworm
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app:/app/src \
    PYTHONUNBUFFERED=1
RUN apt-get update && apt-get install --yes --no-install-recommends libpq5=$[[ libpq ]] && rm -rf /var/lib/apt/lists/*
RUN apt-get update && apt-get install --yes --no-install-recommends libmariadb3=$[[ libmariadb ]] && rm -rf /var/lib/apt/lists/*
COPY --from=build /app/.venv /app/.venv
COPY . .
USER 10001:10001

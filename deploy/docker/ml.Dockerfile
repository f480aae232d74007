# The steps (ingest, validate, train, forecast) and MLflow's server: the environment of requirements-ml.txt.
# Build from the project folder.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/smartgrid
COPY requirements-ml.txt ./
# `sync`, never `install -r`: resolving again would bring the CUDA packages back.
RUN uv venv .venv-ml && uv pip sync --no-cache --compile-bytecode --python .venv-ml/bin/python requirements-ml.txt
COPY pyproject.toml README.md ./
COPY include include
COPY tf_serving tf_serving
COPY great_expectations great_expectations
RUN uv pip install --no-cache --no-deps --python .venv-ml/bin/python -e .

FROM ${BASE_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin smartgrid \
    && install -d -o smartgrid -g smartgrid /var/lib/smartgrid /var/lib/mlflow
COPY --from=build /opt/smartgrid /opt/smartgrid
ENV PATH=/opt/smartgrid/.venv-ml/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SMARTGRID_HOME=/var/lib/smartgrid \
    SMARTGRID_STEP_PYTHON=/opt/smartgrid/.venv-ml/bin/python \
    MLFLOW_DISABLE_TELEMETRY=true \
    GX_ANALYTICS_ENABLED=false \
    DO_NOT_TRACK=1
WORKDIR /opt/smartgrid
USER 10001
CMD ["smartgrid", "--help"]

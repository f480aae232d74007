# Airflow, the APIs and the DAGs: the environment of requirements.txt. Build from the project folder.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/smartgrid
COPY requirements.txt ./
RUN uv venv .venv && uv pip sync --no-cache --compile-bytecode --python .venv/bin/python requirements.txt
COPY pyproject.toml README.md ./
COPY include include
COPY tf_serving tf_serving
RUN uv pip install --no-cache --no-deps --python .venv/bin/python -e .
COPY dags dags
COPY plugins plugins

FROM ${BASE_IMAGE}
# The same user id as in the ML image: both write to the volume of SMARTGRID_HOME.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin smartgrid \
    && install -d -o smartgrid -g smartgrid /var/lib/smartgrid /var/lib/airflow /var/lib/airflow-auth
COPY --from=build /opt/smartgrid /opt/smartgrid
COPY deploy/docker/airflow-init.sh /usr/local/bin/airflow-init
ENV PATH=/opt/smartgrid/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/var/lib/airflow \
    SMARTGRID_HOME=/var/lib/smartgrid
WORKDIR /opt/smartgrid
USER 10001
ENTRYPOINT ["airflow"]
CMD ["version"]

# The analytics API: Airflow's environment checks the tokens, processes of the ML environment do the mining.
# `airflow` and `ml` are the images of the other two Dockerfiles, given as build contexts by the compose file. Both have
# the project at the same path on the same base, so that the environment works where it is copied to.
FROM airflow
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=ml /opt/smartgrid/.venv-ml /opt/smartgrid/.venv-ml
ENV SMARTGRID_STEP_PYTHON=/opt/smartgrid/.venv-ml/bin/python
USER 10001

#!/bin/sh
# One database and one owner for each of Airflow, the results store and MLflow. Runs when the volume is new.
set -eu
create() {
    psql -v ON_ERROR_STOP=1 -v owner="$1" -v password="$2" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'password';
CREATE DATABASE :"owner" OWNER :"owner";
REVOKE ALL ON DATABASE :"owner" FROM PUBLIC;
SQL
}
create airflow "$AIRFLOW_DB_PASSWORD"
create smartgrid "$SMARTGRID_DB_PASSWORD"
create mlflow "$MLFLOW_DB_PASSWORD"

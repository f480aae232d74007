#!/bin/sh
# Runs once before the other services: the passwords of Airflow's users, both database schemas. Safe to repeat.
set -eu
umask 077
python - <<'PYTHON'
import json
import os

users = {user: f"AIRFLOW_{user.upper()}_PASSWORD" for user in ("admin", "approver", "operator", "viewer")}
path = os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]
with open(path + ".new", "w", encoding="utf-8") as file:
    json.dump({user: os.environ[name] for user, name in users.items()}, file)
os.replace(path + ".new", path)
PYTHON
airflow db migrate
smartgrid store migrate
# One trainer at a time; a pool that somebody resized stays as it is.
airflow pools get heavy_training >/dev/null 2>&1 || airflow pools set heavy_training 1 "one trainer at a time"

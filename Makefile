# `make run` starts the whole platform on this machine and drives the pipeline once; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV_VERSION := 0.13.9
export PYTHON UV_VERSION
BOOT := .venv-boot
UV := $(BOOT)/bin/uv
# Rooms that run beside Airflow, in .venv; every other room runs in .venv-ml.
LIGHT_ROOMS := api notifications orchestration platform powerbi
ML_ROOMS := $(filter-out $(LIGHT_ROOMS),$(patsubst include/smartgrid/%/__init__.py,%,$(wildcard include/smartgrid/*/__init__.py)))

# Nothing here reports home.
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False
export DO_NOT_TRACK := 1
export TF_CPP_MIN_LOG_LEVEL ?= 2
# uv uses the interpreter it is given and the package index and certificates that pip is configured with.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif

.PHONY: help setup run stop status test test-full check bench lock clean

help: ## list the targets
	grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 18

setup: ## install both environments (.venv and .venv-ml); does nothing when they are up to date
	deploy/install.sh main ml $(filter spark,$(SMARTGRID_ENGINE))

run: setup ## start everything, run the pipeline through Airflow, print the forecasts
	.venv/bin/smartgrid platform run

stop: ## end everything that `make run` started
	if [ -x .venv/bin/smartgrid ]; then .venv/bin/smartgrid platform down; else echo "nothing to stop: .venv is not installed"; fi

status: ## state, health and log of each process
	if [ -x .venv/bin/smartgrid ]; then .venv/bin/smartgrid platform status; else echo "not installed: run 'make setup'"; exit 1; fi

test: ## everything but the slow tests
	tests/run.sh -m 'not slow'

test-full: ## every test
	tests/run.sh

check: ## lint, format, types and import contracts
	deploy/install.sh main ml dev
	echo "== ruff"
	.venv-ml/bin/ruff check .
	.venv-ml/bin/ruff format --check .
	echo "== mypy, rooms of .venv-ml"
	.venv-ml/bin/mypy --cache-dir .mypy_cache/ml $(foreach room,$(ML_ROOMS),-p smartgrid.$(room)) -m smartgrid.cli -m smartgrid.steps -p tf_serving
	echo "== mypy, rooms of .venv"
	.venv/bin/mypy --cache-dir .mypy_cache/main $(foreach room,$(LIGHT_ROOMS),-p smartgrid.$(room))
	.venv/bin/mypy --cache-dir .mypy_cache/main --allow-untyped-decorators --allow-subclassing-any $(wildcard dags/*.py plugins/*.py)
	echo "== import contracts"
	.venv-ml/bin/lint-imports

bench: setup ## run the benchmarks of bench/
	failed=0
	for script in bench/accuracy.py bench/mining.py bench/notifications.py bench/serving.py bench/validation.py; do echo "== $$script"; .venv-ml/bin/python "$$script" || failed=1; done
	exit $$failed

lock: ## compile requirements*.txt anew from requirements*.in
	deploy/install.sh boot
	compile() { $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$$@"; }
	compile requirements.in -o requirements.txt
	compile requirements-ml.in --override overrides-ml.txt -o requirements-ml.txt
	compile requirements-spark.in -c requirements-ml.txt -o requirements-spark.txt
	compile requirements-dev.in -c requirements.txt -c requirements-ml.txt -o requirements-dev.txt

clean: ## remove caches and environments; var/ (data, models, databases) stays
	rm -rf .venv .venv-ml $(BOOT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

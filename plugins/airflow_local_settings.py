"""Airflow imports this module by its name, from the plugins folder: policies for every DAG and task."""

from smartgrid.orchestration.policy import dag_policy, task_policy

__all__ = ["dag_policy", "task_policy"]

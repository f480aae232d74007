"""The only room that knows Airflow: assets, steps as tasks, retries, authentication of the APIs.

Importing the package itself imports nothing, so that `guard.py` starts in a few milliseconds.
"""

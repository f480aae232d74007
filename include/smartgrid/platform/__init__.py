"""The platform on one machine: start, watch, drive and stop Airflow, MLflow and the model server."""

"""FastAPI applications. They know nothing of Airflow: whoever mounts one hands it the authentication."""

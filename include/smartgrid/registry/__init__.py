"""MLflow tracking and registry: a training run and its winner, as a version that can be promoted."""

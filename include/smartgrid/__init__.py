"""Smart Grid Intelligence: analytics and MLOps layer of a grid operator."""

__version__ = "0.1.0"

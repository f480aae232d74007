"""The Smart Grid page and the JSON behind it."""

from smartgrid.api.ui.app import build_app

__all__ = ["build_app"]

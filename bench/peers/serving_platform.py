"""Writes the model of this platform as a SavedModel: the per-hour ridge, fitted on a year of the configured source.

`python serving_platform.py FOLDER`; prints the number of its features.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

HISTORY_DAYS = 365


def main(target: Path) -> int:
    from smartgrid.automl.history import history
    from smartgrid.automl.snapshot import snapshot_of
    from smartgrid.automl.trainer import Budget, trainer
    from smartgrid.features.build import LOOKBACK_DAYS
    from smartgrid.lake import Window
    from smartgrid.savedmodel.export import export
    from smartgrid.settings import get_settings

    settings = get_settings()
    end = datetime(2007, 12, 1, tzinfo=settings.grid_timezone)
    measurements, weather, _ = history(settings, Window(end - timedelta(days=HISTORY_DAYS + LOOKBACK_DAYS), end))
    snapshot = snapshot_of(settings, "bench", measurements, weather, end, end, HISTORY_DAYS, "actual")
    frame = snapshot.frame_of(measurements, weather, None)
    model = trainer("per_hour_ridge").search(frame, Budget(wall_s=60), lambda _: None).fit(frame)
    return export(model, target, frame.X[-1000:]).features


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))

"""How much a tournament may take: three presets, each a total of search seconds and the days and rows it looks at."""

from __future__ import annotations

from dataclasses import dataclass

from smartgrid.errors import SmartGridError


@dataclass(frozen=True, slots=True)
class Preset:
    """`total_s` seconds of search for all trainers together; backtests and export proofs come on top.

    Days and rows that are None are those of the settings and of the trainers.
    """

    name: str
    total_s: float
    meaning: str
    history_days: int | None = None
    selection_days: int | None = None
    backtest_days: int | None = None
    search_rows: int | None = None
    patience: int | None = None


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "smoke",
            total_s=75,
            meaning="does everything once, in minutes: short searches on few rows, short windows",
            history_days=400,
            selection_days=14,
            backtest_days=14,
            search_rows=8_000,
        ),
        Preset("standard", total_s=300, meaning="the weekly retraining, below a quarter of an hour on two cores"),
        Preset(
            "thorough",
            total_s=3_600,
            meaning="an hour of search on more rows, for a new data source or a new feature",
            search_rows=40_000,
            patience=200,
        ),
    )
}


class UnknownPreset(SmartGridError):
    """No preset has this name."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        self.name, self.known = name, list(PRESETS)
        super().__init__(f"No preset {name!r}. Presets: {', '.join(PRESETS)}.")


def preset(name: str) -> Preset:
    """The preset with this name.

    Raises:
        UnknownPreset
    """
    if name not in PRESETS:
        raise UnknownPreset(name)
    return PRESETS[name]

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smartgrid.settings import PROJECT_ROOT, Columns, Settings, Source, Units, load_settings

TEXT = (PROJECT_ROOT / "docs" / "your-own-data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)


def test_there_are_four_examples() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_valid_settings_file(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., Settings]
) -> None:
    configure()
    path = tmp_path / "mygrid.toml"
    path.write_text(example, encoding="utf-8")
    monkeypatch.setenv("SMARTGRID_CONFIG", str(path))
    assert load_settings().source.model_fields_set >= {"kind", "columns"}


def test_every_setting_of_a_source_is_described() -> None:
    names = [name for name in Source.model_fields if name not in ("columns", "units")]
    names += [f"columns.{name}" for name in Columns.model_fields] + [f"units.{name}" for name in Units.model_fields]
    assert [name for name in names if f"| `{name}` |" not in TEXT] == []

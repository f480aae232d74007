"""One home, one source."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.platform.source_marker import OtherSourceInHome, claim_home
from smartgrid.settings import Settings, Source


def of(home: Path, **source: object) -> Settings:
    return Settings(home=home, source=Source.model_validate(source))


def test_the_same_source_may_use_its_home_again(tmp_path: Path) -> None:
    claim_home(of(tmp_path))
    claim_home(of(tmp_path))


def test_another_source_is_refused_with_the_way_out(tmp_path: Path) -> None:
    claim_home(of(tmp_path))
    with pytest.raises(OtherSourceInHome, match="SMARTGRID_HOME") as caught:
        claim_home(of(tmp_path, kind="csv", path="/data/mygrid"))
    assert (caught.value.held, caught.value.wanted) == ("gefcom2012", "csv /data/mygrid")


def test_no_password_of_an_address_is_written_down(tmp_path: Path) -> None:
    claim_home(of(tmp_path, kind="sql", url="postgresql://me:secret@host/db", query="select 1"))
    assert "secret" not in (tmp_path / "source.json").read_text()

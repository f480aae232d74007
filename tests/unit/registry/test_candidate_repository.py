from __future__ import annotations

from pathlib import Path

from smartgrid.registry.candidate_repository import candidate_repository


def test_model_server_finds_the_candidate_as_its_version(tmp_path: Path) -> None:
    saved_model = tmp_path / "saved_model"
    (saved_model / "variables").mkdir(parents=True)
    (saved_model / "saved_model.pb").write_bytes(b"graph")
    (saved_model / "variables" / "data").write_bytes(b"numbers")
    base = candidate_repository(tmp_path, saved_model, "load", 7)
    assert [path.name for path in base.iterdir()] == ["7"]
    assert (base / "7" / "variables" / "data").read_bytes() == b"numbers"
    # A half-written copy of an earlier attempt is replaced, a whole one kept.
    (base / "7" / "saved_model.pb").unlink()
    assert (candidate_repository(tmp_path, saved_model, "load", 7) / "7" / "saved_model.pb").read_bytes() == b"graph"
    before = (base / "7").stat().st_mtime_ns
    assert candidate_repository(tmp_path, saved_model, "load", 7) == base
    assert (base / "7").stat().st_mtime_ns == before

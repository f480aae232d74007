from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from smartgrid import clock
from smartgrid.settings import Settings

NOON = datetime(2008, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def replay(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", clock="replay")


def test_replay_clock_has_no_time_before_the_first_ingest(replay: Settings) -> None:
    assert not clock.started(replay)
    with pytest.raises(clock.ClockNotStarted, match="smartgrid ingest"):
        clock.now(replay)


def test_replay_clock_keeps_what_it_was_set_to(replay: Settings) -> None:
    clock.advance_to(NOON, replay)
    assert clock.started(replay)
    assert clock.now(replay) == NOON
    assert clock.now(replay).tzinfo == UTC


def test_replay_clock_never_moves_back(replay: Settings) -> None:
    clock.advance_to(NOON, replay)
    assert clock.advance_to(NOON - timedelta(days=1), replay) == NOON
    assert clock.now(replay) == NOON


def test_local_times_are_kept_in_utc(replay: Settings) -> None:
    clock.advance_to(NOON.astimezone(timezone(timedelta(hours=-5))), replay)
    assert clock.now(replay) == NOON
    assert clock.now(replay).utcoffset() == timedelta(0)


def test_no_half_written_file_stays_beside_the_clock(replay: Settings) -> None:
    clock.advance_to(NOON, replay)
    clock.advance_to(NOON + timedelta(hours=1), replay)
    assert [path.name for path in replay.home.iterdir()] == ["clock.json"]


def test_other_users_may_read_the_clock(replay: Settings) -> None:
    reference = replay.home.parent / "reference"
    reference.write_text("", encoding="utf-8")
    clock.advance_to(NOON, replay)
    assert (replay.home / "clock.json").stat().st_mode == reference.stat().st_mode


def test_wall_clock_is_the_machine_and_cannot_be_moved(tmp_path: Path) -> None:
    wall = Settings(home=tmp_path / "home", clock="wall")
    assert clock.started(wall)
    before = datetime.now(UTC)
    assert before <= clock.advance_to(NOON, wall) <= datetime.now(UTC)
    assert not (tmp_path / "home").exists()


def test_step_of_the_replay_is_a_setting(tmp_path: Path) -> None:
    assert clock.next_step(Settings(home=tmp_path, replay_step_h=6)) == timedelta(hours=6)

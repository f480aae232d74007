"""The manager's promises, with models that need no TensorFlow."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_serving.embedded.manager import Manager
from tf_serving.embedded.model_config import ModelConfig, VersionPolicy
from tf_serving.embedded.status import Code, ServingError
from tf_serving.embedded.versions import State, wanted_versions


class TextModel:
    """A model whose folder holds one text file; `corrupt` does not load."""

    def __init__(self, folder: Path) -> None:
        file = folder / "model.txt"
        if not file.exists() or file.read_text() == "corrupt":
            raise ServingError(Code.DATA_LOSS, f"{folder.name} is corrupt")
        self.text = file.read_text()
        self.closed = False

    def close(self) -> None:
        self.closed = True


def put(base: Path, name: str, text: str = "good") -> None:
    (base / name).mkdir(parents=True)
    (base / name / "model.txt").write_text(text)


def manager_of(
    base: Path, *, policy: VersionPolicy | None = None, retries: int = 0, fall_back: bool = False
) -> Manager[TextModel]:
    config = ModelConfig("m", base, policy or VersionPolicy(), {"stable": 1})
    return Manager(
        [config],
        TextModel,
        max_retries=retries,
        retry_interval_s=0.05,
        allow_labels_for_unavailable=True,
        fall_back=fall_back,
    )


def serving(manager: Manager[TextModel]) -> int:
    with manager.lease("m") as servable:
        assert not servable.model.closed
        return servable.version


def eventually(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def states(manager: Manager[TextModel]) -> dict[int, State]:
    return {status.version: status.state for status in manager.statuses("m")}


def test_missing_base_path_waits_and_then_serves(tmp_path: Path) -> None:
    base = tmp_path / "later"
    manager = manager_of(base)
    manager.poll()
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
        serving(manager)
    put(base, "1")
    manager.poll()
    assert serving(manager) == 1


def test_newest_version_replaces_the_one_before(tmp_path: Path) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path)
    manager.poll()
    put(tmp_path, "2")
    put(tmp_path, "00000010")
    manager.poll()
    assert serving(manager) == 10
    eventually(lambda: states(manager) == {10: State.AVAILABLE, 1: State.END})


def test_corrupt_new_version_never_takes_traffic(tmp_path: Path) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path)
    manager.poll()
    put(tmp_path, "2", "corrupt")
    for _ in range(3):
        manager.poll()
        assert serving(manager) == 1
    status = manager.statuses("m", 2)[0]
    assert (status.state, status.code, status.message) == (State.END, Code.DATA_LOSS, "2 is corrupt")


def test_restart_with_a_corrupt_newest_version_serves_the_one_below_where_that_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2")
    put(tmp_path, "3", "corrupt")
    manager = manager_of(tmp_path, retries=5, fall_back=True)
    manager.poll()
    assert serving(manager) == 2
    assert states(manager) == {3: State.LOADING, 2: State.AVAILABLE}


def test_failed_version_is_tried_again_after_the_interval(tmp_path: Path) -> None:
    put(tmp_path, "1", "corrupt")
    attempts: list[Path] = []

    def load(folder: Path) -> TextModel:
        attempts.append(folder)
        return TextModel(folder)

    manager = Manager([ModelConfig("m", tmp_path)], load, max_retries=1, retry_interval_s=0.05)
    manager.poll()
    manager.poll()
    assert len(attempts) == 1
    time.sleep(0.06)
    manager.poll()
    manager.poll()
    assert len(attempts) == 2
    assert manager.statuses("m")[0].state is State.END


def test_repaired_version_is_loaded_without_a_restart(tmp_path: Path) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path)
    manager.poll()
    put(tmp_path, "2", "corrupt")
    manager.poll()
    (tmp_path / "2" / "model.txt").write_text("repaired")
    manager.poll()
    assert serving(manager) == 2
    eventually(lambda: states(manager) == {2: State.AVAILABLE, 1: State.END})


def test_removing_the_newest_goes_back(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2")
    manager = manager_of(tmp_path)
    manager.poll()
    shutil.rmtree(tmp_path / "2")
    manager.poll()
    assert serving(manager) == 1


def test_empty_base_path_unloads_but_a_vanished_one_does_not(tmp_path: Path) -> None:
    base = tmp_path / "base"
    put(base, "1")
    manager = manager_of(base)
    manager.poll()
    base.rename(tmp_path / "unmounted")
    manager.poll()
    assert serving(manager) == 1
    base.mkdir()
    manager.poll()
    with pytest.raises(ServingError, match="Servable not found"):
        serving(manager)


def test_request_under_way_finishes_on_the_old_version(tmp_path: Path) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path)
    manager.poll()
    with manager.lease("m") as old:
        put(tmp_path, "2")
        manager.poll()
        assert serving(manager) == 2
        assert states(manager)[1] is State.UNLOADING
        assert not old.model.closed
    eventually(lambda: old.model.closed)
    eventually(lambda: states(manager)[1] is State.END)


def test_requests_during_many_swaps_never_fail(tmp_path: Path) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path)
    manager.poll()
    stop, answered, failures = threading.Event(), [0], []

    def ask() -> None:
        while not stop.is_set():
            try:
                serving(manager)
                answered[0] += 1
            except (ServingError, AssertionError) as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(2, 30):
        put(tmp_path, str(version))
        manager.poll()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert answered[0] > 0
    assert serving(manager) == 29


def test_labels_and_versions_of_a_request(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2")
    manager = manager_of(tmp_path, policy=VersionPolicy("all"))
    manager.poll()
    with manager.lease("m", label="stable") as servable:
        assert servable.version == 1
    with (
        pytest.raises(ServingError, match="Unrecognized servable version label: canary"),
        manager.lease("m", label="canary"),
    ):
        pass
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 9\)"), manager.lease("m", 9):
        pass


def test_one_model_without_a_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    put(tmp_path / "there", "1")
    configs = [ModelConfig("lost", tmp_path / "nowhere"), ModelConfig("m", tmp_path / "there")]
    manager = Manager(configs, TextModel)
    manager.poll()
    assert serving(manager) == 1


def test_an_older_version_is_not_loaded_in_place_of_a_corrupt_newest(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2", "corrupt")
    manager = manager_of(tmp_path)
    manager.poll()
    assert states(manager) == {2: State.END}


def test_first_load_that_fails_names_the_version_and_the_error(tmp_path: Path) -> None:
    put(tmp_path, "3", "corrupt")
    manager = manager_of(tmp_path)
    manager.start(0.05)
    text = (
        r"^UNKNOWN: 1 servable\(s\) did not become available: "
        r"\{\{\{name: m version: 3\} due to error: DATA_LOSS: 3 is corrupt\}, \}$"
    )
    with pytest.raises(ServingError, match=text):
        manager.wait_first_load()
    manager.stop()


def test_first_load_succeeds_when_one_version_does(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2", "corrupt")
    manager = manager_of(tmp_path, policy=VersionPolicy("all"))
    manager.start(0.05)
    manager.wait_first_load()
    assert serving(manager) == 1
    manager.stop()
    with pytest.raises(ServingError):
        serving(manager)


def test_models_are_replaced_added_and_removed_by_a_new_configuration(tmp_path: Path) -> None:
    put(tmp_path / "a", "1")
    put(tmp_path / "b", "1")
    manager = Manager([ModelConfig("a", tmp_path / "a")], TextModel, max_retries=0)
    manager.start(0.05)
    manager.wait_first_load()
    manager.reload([ModelConfig("b", tmp_path / "b")])
    with manager.lease("b") as servable:
        assert servable.version == 1
    eventually(lambda: [status.state for status in manager.statuses("a")] == [State.END])
    manager.reload([ModelConfig("a", tmp_path / "a"), ModelConfig("b", tmp_path / "b")])
    assert [status.state for status in manager.statuses("a")] == [State.AVAILABLE]
    put(tmp_path / "c", "7", "corrupt")
    with pytest.raises(
        ServingError, match=r"^UNKNOWN: 1 model\(s\) did not become available: \{\{\{name: c version: 7\}"
    ):
        manager.reload([ModelConfig("c", tmp_path / "c")])
    manager.stop()


def test_a_new_model_without_versions_is_waited_for_as_long_as_the_caller_does(tmp_path: Path) -> None:
    manager: Manager[TextModel] = Manager([], TextModel)
    manager.start(0.05)
    ends = time.monotonic() + 0.3
    manager.reload([ModelConfig("a", tmp_path / "a")], still_wanted=lambda: time.monotonic() < ends)
    assert time.monotonic() >= ends
    put(tmp_path / "a", "1")
    eventually(lambda: bool(manager._map.models["a"].versions))
    manager.stop()


def test_labels_follow_the_safety_rules(tmp_path: Path) -> None:
    put(tmp_path, "1")
    put(tmp_path, "2")

    def config(**labels: int) -> list[ModelConfig]:
        return [ModelConfig("m", tmp_path, VersionPolicy("all"), labels)]

    refused = r"^FAILED_PRECONDITION: Request to assign label to version 9 of model m, which is not currently available"
    strict = Manager(config(), TextModel)
    strict.start(0.05)
    strict.wait_first_load()
    eventually(lambda: set(states(strict).values()) == {State.AVAILABLE})
    strict.reload(config(stable=1, canary=2))
    with pytest.raises(ServingError, match=refused):
        strict.reload(config(stable=2, canary=9))
    with strict.lease("m", label="stable") as servable:
        assert servable.version == 1
    strict.reload(config(stable=2))
    with (
        pytest.raises(ServingError, match="Unrecognized servable version label: canary"),
        strict.lease("m", None, "canary"),
    ):
        pass
    strict.stop()

    lenient = Manager(config(stable=1), TextModel, allow_labels_for_unavailable=True)
    lenient.start(0.05)
    lenient.wait_first_load()
    lenient.reload(config(stable=1, canary=9))
    with (
        pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 9\)"),
        lenient.lease("m", label="canary"),
    ):
        pass
    with pytest.raises(ServingError, match=refused):
        lenient.reload(config(stable=9))
    lenient.stop()


def test_one_slow_load_does_not_delay_another_model(tmp_path: Path) -> None:
    put(tmp_path / "slow", "1")
    release = threading.Event()

    def load(folder: Path) -> TextModel:
        if folder.parent.name == "slow" and folder.name == "2":
            release.wait(10)
        return TextModel(folder)

    configs = [ModelConfig("slow", tmp_path / "slow"), ModelConfig("m", tmp_path / "m")]
    manager = Manager(configs, load, load_threads=2)
    manager.start(0.05)
    manager.wait_first_load()
    put(tmp_path / "slow", "2")
    eventually(lambda: manager.statuses("slow")[0].state is State.LOADING)
    put(tmp_path / "m", "1")
    eventually(lambda: bool(manager._map.models["m"].versions))
    assert manager.statuses("slow")[1].state is State.AVAILABLE
    release.set()
    eventually(lambda: manager.statuses("slow")[0].state is State.AVAILABLE)
    manager.stop()


@pytest.mark.parametrize("interval_s", [0.0, -1.0])
def test_polling_once_and_never(tmp_path: Path, interval_s: float) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path)
    manager.start(interval_s)
    manager.wait_first_load()
    put(tmp_path, "2")
    time.sleep(0.2)
    if interval_s == 0:
        assert serving(manager) == 1
    else:
        with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(m\)"):
            serving(manager)
    manager.stop()


def test_a_version_that_is_deleted_while_it_is_retried_ends(tmp_path: Path) -> None:
    put(tmp_path, "1")
    manager = manager_of(tmp_path, retries=5)
    manager.start(0.05)
    manager.wait_first_load()
    put(tmp_path, "2", "corrupt")
    eventually(lambda: states(manager).get(2) is State.LOADING)
    shutil.rmtree(tmp_path / "2")
    eventually(lambda: states(manager)[2] is State.END)
    assert serving(manager) == 1
    manager.stop()


@pytest.mark.parametrize(
    ("policy", "on_disk", "failing", "wanted"),
    [
        (VersionPolicy(), {1, 2, 3}, set(), {3}),
        (VersionPolicy(count=2), {1, 2, 3}, set(), {2, 3}),
        (VersionPolicy(), {1, 2, 3}, {3}, {2, 3}),
        (VersionPolicy(), {1, 2, 3}, {2, 3}, {1, 2, 3}),
        (VersionPolicy("all"), {1, 2}, {2}, {1, 2}),
        (VersionPolicy("specific", versions=frozenset({1, 9})), {1, 2}, set(), {1}),
        (VersionPolicy(), set(), set(), set()),
    ],
)
def test_wanted_versions(policy: VersionPolicy, on_disk: set[int], failing: set[int], wanted: set[int]) -> None:
    assert wanted_versions(policy, on_disk, failing) == wanted

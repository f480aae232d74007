"""Requests are logged beside the hot path: none waits, and what cannot be written is lost and counted."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from tf_serving.embedded import request_log
from tf_serving.embedded.protos import prediction_log_pb2
from tf_serving.embedded.request_log_settings import RequestLogSettings
from tf_serving.embedded.request_log_writer import RequestLogWriter
from tf_serving.embedded.tfrecord import read_records


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> RequestLogWriter:
    made = RequestLogWriter()
    monkeypatch.setattr(request_log, "WRITER", made)
    return made


def logged(prefix: Path) -> list[bytes]:
    file = Path(f"{prefix}.{os.getpid()}.tfrecord")
    return list(read_records(file)) if file.exists() else []


def test_an_answered_predict_is_a_prediction_log(writer: RequestLogWriter, tmp_path: Path) -> None:
    settings = RequestLogSettings(str(tmp_path / "new" / "load"), 1.0)
    inputs, outputs = {"x": np.array([1.5], np.float32)}, {"y": np.array([3.5], np.float32)}
    request_log.log_predict(settings, ("load", 7, "serving_default"), inputs, outputs, ["y"])
    writer.stop()
    (record,) = logged(tmp_path / "new" / "load")
    entry = prediction_log_pb2.PredictionLog.FromString(record)
    assert entry.predict_log.request.inputs["x"].float_val == [1.5]
    assert entry.predict_log.request.output_filter == ["y"]
    assert entry.predict_log.response.outputs["y"].float_val == [3.5]
    spec = entry.log_metadata.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("load", 7, "serving_default")
    assert entry.log_metadata.sampling_config.sampling_rate == 1.0


def test_a_sample_is_drawn(writer: RequestLogWriter, tmp_path: Path) -> None:
    for rate in (0.0, 0.5):
        settings = RequestLogSettings(str(tmp_path / f"{rate}"), rate)
        for _ in range(200):
            request_log.log_predict(settings, ("load", 7, "s"), {}, {}, [])
    writer.stop()
    assert logged(tmp_path / "0.0") == []
    assert 50 < len(logged(tmp_path / "0.5")) < 150


def test_what_comes_too_fast_is_dropped_and_nobody_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer, gate, entered = RequestLogWriter(), threading.Event(), threading.Event()

    def slow() -> bytes:
        entered.set()
        assert gate.wait(10)
        return b"slow"

    writer.put(str(tmp_path / "log"), slow)
    assert entered.wait(10)
    with caplog.at_level(logging.ERROR):
        for _ in range(1500):
            writer.put(str(tmp_path / "log"), lambda: b"quick")
    assert "have not been logged so far: they come faster than they can be written" in caplog.text
    gate.set()
    writer.stop()
    assert logged(tmp_path / "log") == [b"slow"] + [b"quick"] * 1000


def test_the_log_goes_on_after_what_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    writer = RequestLogWriter()

    def broken() -> bytes:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        writer.put(str(tmp_path / "file" / "log"), lambda: b"nowhere")
        writer.put(str(tmp_path / "log"), broken)
        writer.put(str(tmp_path / "log"), lambda: b"good")
        writer.stop()
    assert "1 requests have not been logged so far" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert logged(tmp_path / "log") == [b"good"]

"""What is delivered beside the graph, and what is refused."""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smartgrid.automl.scaled_pipeline import FittedScaledPipeline
from smartgrid.features.schema import FeatureSchema
from smartgrid.savedmodel import ExportParityError, ExportReport, NotExportable, export, why_not_exportable
from smartgrid.savedmodel.assets import KnownAnswers, fingerprint, read_schema
from smartgrid.savedmodel.errors import SavedModelDamaged
from smartgrid.savedmodel.reader import SavedModelReader


@pytest.fixture(scope="module")
def exported(table: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[FittedScaledPipeline, Path, ExportReport]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(SimpleImputer(), HistGradientBoostingRegressor(max_iter=30, random_state=1))
    model = FittedScaledPipeline(pipeline.fit(table.inputs, table.ratio), table.schema, table.columns)
    directory = tmp_path_factory.mktemp("export") / "saved_model"
    return model, directory, export(model, directory, table.held_out)


def test_both_signatures_answer_load_kw_in_float64(exported: Any, table: Any) -> None:
    import tensorflow as tf

    model, directory, _ = exported
    signatures = tf.saved_model.load(str(directory)).signatures
    assert set(signatures) == {"serving_default", "named_columns"}
    features = signatures["serving_default"].structured_input_signature[1]["features"]
    assert (features.dtype, features.shape.as_list()) == (tf.float64, [None, len(table.schema.names)])
    assert set(signatures["named_columns"].structured_input_signature[1]) == set(table.schema.names)
    for signature in signatures.values():
        output = signature.structured_outputs["load_kw"]
        assert (output.dtype, output.shape.as_list()) == (tf.float64, [None])
    reader = SavedModelReader(directory)
    np.testing.assert_allclose(reader.predict_named(table.held_out), model.predict(table.held_out), rtol=1e-12)


def test_feature_schema_and_known_answers_travel_with_the_model(exported: Any, table: Any) -> None:
    model, directory, _ = exported
    assert read_schema(directory / "assets.extra/feature_schema.json") == table.schema
    answers = KnownAnswers.read(directory)
    assert len(answers.load_kw) == 8
    np.testing.assert_array_equal(answers.load_kw, model.predict(answers.X))


def test_warmup_file_holds_one_request_that_the_model_accepts(exported: Any) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    _, directory, _ = exported
    records = list(tf.data.TFRecordDataset(str(directory / "assets.extra/tf_serving_warmup_requests")))
    assert len(records) == 1
    request = prediction_log_pb2.PredictionLog.FromString(records[0].numpy()).predict_log.request
    rows = tf.make_ndarray(request.inputs["features"])
    assert rows.dtype == np.float64
    assert np.isfinite(SavedModelReader(directory).predict(rows)).all()


def test_graph_loads_through_the_c_interface_of_tensorflow(exported: Any) -> None:
    """What TensorFlow Serving does: TF_LoadSessionFromSavedModel, with nothing registered from Python."""
    import tensorflow as tf

    _, directory, _ = exported
    library = ctypes.CDLL(next(str(path) for path in Path(tf.__file__).parent.glob("libtensorflow_cc.so.2")))
    for name in ("TF_NewStatus", "TF_NewSessionOptions", "TF_NewGraph", "TF_LoadSessionFromSavedModel"):
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    status, options = ctypes.c_void_p(library.TF_NewStatus()), ctypes.c_void_p(library.TF_NewSessionOptions())
    graph, tags = ctypes.c_void_p(library.TF_NewGraph()), (ctypes.c_char_p * 1)(b"serve")
    session = ctypes.c_void_p(
        library.TF_LoadSessionFromSavedModel(
            options, None, str(directory).encode(), tags, ctypes.c_int(1), graph, None, status
        )
    )
    assert library.TF_GetCode(status) == 0, library.TF_Message(status)
    library.TF_CloseSession(session, status)
    library.TF_DeleteSession(session, status)


def test_only_core_operations_are_used(exported: Any) -> None:
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.framework import op_def_registry

    _, directory, _ = exported
    proto = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    functions = {function.signature.name for function in graph.library.function}
    used = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
    assert [op for op in used - functions if op_def_registry.get(op) is None] == []
    assert not any("Custom" in op or "PyFunc" in op for op in used)


def test_report_tells_what_was_measured(exported: Any) -> None:
    _, directory, report = exported
    assert report.size_bytes == sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert report.sha256 == fingerprint(directory)
    assert 0 < report.ms_per_row < 50
    assert json.loads(json.dumps(report.as_json()))["features"] == 13


def test_fingerprint_changes_with_any_file(exported: Any, tmp_path: Path) -> None:
    import shutil

    _, directory, report = exported
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    assert fingerprint(copy) == report.sha256
    (copy / "assets.extra/feature_schema.json").write_text("{}", encoding="utf-8")
    assert fingerprint(copy) != report.sha256
    with pytest.raises(SavedModelDamaged):
        fingerprint(tmp_path)


@dataclass
class _ForgetfulModel:
    """A model whose prediction is not what its pipeline says."""

    pipeline: Any
    schema: FeatureSchema
    columns: list[int]

    def predict(self, X: Any) -> Any:
        right = FittedScaledPipeline(self.pipeline, self.schema, self.columns).predict(X)
        right[17:18] *= 1 + 1e-5
        return right


def test_a_difference_is_refused_and_names_the_worst_row(exported: Any, table: Any, tmp_path: Path) -> None:
    model, _, _ = exported
    with pytest.raises(ExportParityError) as caught:
        export(_ForgetfulModel(model.pipeline, table.schema, table.columns), tmp_path / "x", table.held_out)
    assert caught.value.row == 17
    assert caught.value.kind == "held out"
    assert caught.value.largest == pytest.approx(1e-5, rel=1e-3)
    assert list(tmp_path.iterdir()) == []


def test_failed_export_leaves_the_earlier_one_alone(exported: Any, table: Any, tmp_path: Path) -> None:
    model, _, _ = exported
    directory = tmp_path / "saved_model"
    before = export(model, directory, table.held_out, count=100).sha256
    with pytest.raises(ExportParityError):
        export(_ForgetfulModel(model.pipeline, table.schema, table.columns), directory, table.held_out)
    assert fingerprint(directory) == before


def test_unsupported_estimators_are_named_before_training() -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, QuantileTransformer

    assert (why_not_exportable(make_pipeline(QuantileTransformer())) or "").startswith("QuantileTransformer")
    assert (why_not_exportable(make_pipeline(FunctionTransformer(np.log1p))) or "").startswith("FunctionTransformer")
    assert "missing_values=-1" in (why_not_exportable(SimpleImputer(missing_values=-1)) or "")
    assert (why_not_exportable(KNeighborsRegressor()) or "").startswith("KNeighborsRegressor")


def test_class_with_the_name_of_a_supported_one_is_not_trusted() -> None:
    class Ridge:
        coef_, intercept_ = np.ones(3), 0.0

    assert why_not_exportable(Ridge()) is not None


def test_unsupported_winner_is_not_written(table: Any, tmp_path: Path) -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(SimpleImputer(), KNeighborsRegressor()).fit(table.inputs, table.ratio)
    with pytest.raises(NotExportable) as caught:
        export(FittedScaledPipeline(pipeline, table.schema, table.columns), tmp_path / "x", table.held_out)
    assert caught.value.estimator == "KNeighborsRegressor"
    assert list(tmp_path.iterdir()) == []

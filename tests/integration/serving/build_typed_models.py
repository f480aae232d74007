"""Writes two SavedModels with a signature for everything a request can carry. Run as a script: it needs TensorFlow."""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf

TYPES = (
    "float32", "float64", "int32", "uint8", "int16", "int8", "string", "complex64", "int64", "bool", "bfloat16",
    "uint16", "complex128", "float16", "uint32", "uint64",
)  # fmt: skip


def echo(dtype: str) -> tf.types.experimental.ConcreteFunction:
    """x of any shape -> the same values."""
    spec = tf.TensorSpec(None, tf.dtypes.as_dtype(dtype), name="x")
    return tf.function(lambda x: {"y": tf.identity(x)}).get_concrete_function(spec)


def parsed_x(inputs: tf.Tensor) -> tf.Tensor:
    """The features `x` and `offset` (0 when missing) of serialized examples, added."""
    features = {
        "x": tf.io.FixedLenFeature([], tf.float32),
        "offset": tf.io.FixedLenFeature([], tf.float32, default_value=0.0),
    }
    parsed = tf.io.parse_example(inputs, features)
    return parsed["x"] + parsed["offset"]


EXAMPLES = tf.TensorSpec([None], tf.string, name="inputs")


@tf.function(input_signature=[EXAMPLES])
def regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"outputs": parsed_x(inputs) / 2 + 2}


@tf.function(input_signature=[EXAMPLES])
def regress_column(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"outputs": parsed_x(inputs)[:, tf.newaxis]}


@tf.function(input_signature=[EXAMPLES])
def regress_wide(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    x = parsed_x(inputs)
    return {"outputs": tf.stack([x, x], axis=1)}


@tf.function(input_signature=[EXAMPLES])
def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    x = parsed_x(inputs)
    labels = tf.tile(tf.constant([["low", "a label of more than twenty-two bytes"]]), [tf.shape(x)[0], 1])
    return {"classes": labels, "scores": tf.stack([x, 1 - x], axis=1)}


@tf.function(input_signature=[EXAMPLES])
def classify_scores(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"scores": parsed_x(inputs)[:, tf.newaxis]}


@tf.function(input_signature=[EXAMPLES])
def classify_flat(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"scores": parsed_x(inputs)}


@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="a"), tf.TensorSpec([None], tf.int64, name="b")])
def two(a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"sum": a + tf.cast(b, tf.float32), "b_next": b + 1}


@tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
def shout(text: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"image_bytes": text, "upper": tf.strings.upper(text)}


@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def uneven(x: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"u": x, "v": tf.concat([x, x], 0)}


@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def total(x: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"y": tf.reduce_sum(x)}


@tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="steps")])
def slow(steps: tf.Tensor) -> dict[str, tf.Tensor]:
    count = tf.constant(0, tf.int64)
    while count < steps:
        count += 1
    return {"count": count}


def half_plus_two(target: Path) -> None:
    """A graph of TensorFlow 1, where several signatures share one input: y = x / 2 + 2, y2 = x / 2 + 3."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        serialized = v1.placeholder(tf.string, [None], name="tf_example")
        features = {name: tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]) for name in ("x", "x2")}
        parsed = tf.io.parse_example(serialized, features)
        x = tf.identity(parsed["x"], name="x")
        half, two = v1.get_variable("a", initializer=0.5), v1.get_variable("b", initializer=2.0)
        three = tf.constant(3.0)
        y, y2 = half * x + two, half * x + three
        other = v1.placeholder(tf.string, [None], name="other_example")
        y3 = tf.io.parse_example(other, features)["x2"] + three
        bias = v1.placeholder(tf.float32, [None, 1], name="bias")
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.build_signature_def
        info = v1.saved_model.build_tensor_info
        regression, classification = "tensorflow/serving/regress", "tensorflow/serving/classify"
        examples = {"inputs": info(serialized)}
        with_bias = signature({"x": info(x), "bias": info(bias)}, {"y": info(y + bias)}, "tensorflow/serving/predict")
        with_bias.defaults["bias"].CopyFrom(tf.make_tensor_proto([[100.0]]))
        builder = v1.saved_model.Builder(str(target / "half_plus_two"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "with_bias": with_bias,
                "serving_default": signature({"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict"),
                "regress_x_to_y": signature(examples, {"outputs": info(y)}, regression),
                "regress_x_to_y2": signature(examples, {"outputs": info(y2)}, regression),
                "regress_x2_to_y3": signature({"inputs": info(other)}, {"outputs": info(y3)}, regression),
                "classify_x_to_y": signature(examples, {"scores": info(y)}, classification),
            },
        )
        builder.save()


def main(target: Path) -> None:
    half_plus_two(target)
    signatures = {f"echo_{dtype}": echo(dtype) for dtype in TYPES}
    functions = (
        regress, regress_column, regress_wide, classify, classify_scores, classify_flat,
        two, shout, uneven, total, slow,
    )  # fmt: skip
    signatures |= {function.python_function.__name__: function.get_concrete_function() for function in functions}
    signatures["serving_default"] = signatures["echo_float32"]
    module = tf.Module()
    module.kept = list(signatures.values())
    tf.saved_model.save(module, str(target / "typed"), signatures=signatures)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The MonitoringConfig file: whether, and under which path, metrics are shown."""

from __future__ import annotations

from pathlib import Path

from tf_serving.embedded.text_proto import parse_file

DEFAULT_PATH = "/monitoring/prometheus/metrics"


def metrics_path(file: Path) -> str | None:
    """The path of a MonitoringConfig in protobuf text format; None: metrics are off.

    Raises:
        ServingError: the file cannot be read.
    """
    # tensorflow-serving-api does not carry this message, so its two fields are declared here.
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    proto = descriptor_pb2.FileDescriptorProto(name="monitoring.proto", package="embedded", syntax="proto3")
    prometheus = proto.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=field.TYPE_BOOL, label=field.LABEL_OPTIONAL)
    prometheus.field.add(name="path", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    proto.message_type.add(name="MonitoringConfig").field.add(
        name="prometheus_config",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".embedded.PrometheusConfig",
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("embedded.MonitoringConfig"))()
    parse_file(file, "--monitoring_config_file", message)
    if not message.prometheus_config.enable:
        return None
    return message.prometheus_config.path or DEFAULT_PATH

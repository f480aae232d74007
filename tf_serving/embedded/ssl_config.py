"""The SSLConfig file: TLS for gRPC, mutual where clients have to show a certificate."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tf_serving.embedded.status import invalid
from tf_serving.embedded.text_proto import BOOL, STRING, read_secret_proto

_FIELDS = {"server_key": STRING, "server_cert": STRING, "custom_ca": STRING, "client_verify": BOOL}


class SslConfig:
    """Key and certificates as PEM texts, from an SSLConfig in protobuf text format.

    Raises:
        ServingError: the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        message = read_secret_proto(file, "--ssl_config_file", "SSLConfig", _FIELDS)
        if not message.server_key or not message.server_cert:
            raise invalid(f"--ssl_config_file {file}: server_key and server_cert are needed, as PEM texts")
        if message.client_verify and not message.custom_ca:
            raise invalid(
                f"--ssl_config_file {file}: client_verify needs custom_ca, which signed the clients' certificates"
            )
        self._texts = {"keyfile": message.server_key, "certfile": message.server_cert}
        if message.client_verify:
            self._texts["ca_certs"] = message.custom_ca

    @contextmanager
    def options(self) -> Iterator[dict[str, Any]]:
        """Fields of h2corn.Config. It reads files only, so the texts are in files (that only this user can read) until
        the block ends."""
        with tempfile.TemporaryDirectory(prefix="tf-serving-tls-") as folder:  # made with mode 0700
            options: dict[str, Any] = {}
            for name, text in self._texts.items():
                options[name] = Path(folder) / name
                options[name].touch(mode=0o600)
                options[name].write_text(text)
            if "ca_certs" in options:
                options["cert_reqs"] = "required"
            yield options

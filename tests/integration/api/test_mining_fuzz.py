"""A fuzzer that is driven by the OpenAPI document finds no error of the server, and nothing that is not described."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# That a valid request is accepted is left out: whether k is above the number of rows is in no schema.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,missing_required_header,unsupported_method,"
    "allow_header_conformance,ignored_auth"
)


def fuzz(api: Any, folder: Path, *options: str) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{api.url}/openapi.json",
        "-H", "Authorization: Bearer operator", "--include-path-regex", "^/(health|api/v1/analytics/data-mining)",
        "--checks", CHECKS, "--no-color", "--warnings", "off", *options,
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900, cwd=folder)
    assert result.returncode == 0, result.stdout[-8_000:] + result.stderr[-2_000:]
    assert "Selected: 8/" in result.stdout, result.stdout[-2_000:]
    assert api.mine("clustering/kmeans", {"data": [[1, 2], [2, 1], [9, 9]], "k": 2}).status_code == 200


def test_fuzzer_finds_no_server_error(api: Any, tmp_path: Path) -> None:
    fuzz(api, tmp_path, "--phases", "examples,coverage,fuzzing", "-n", "15", "--max-time", "25", "--seed", "20071201")


@pytest.mark.slow
@pytest.mark.timeout(1_000)
def test_fuzzer_finds_no_server_error_in_minutes(api: Any, tmp_path: Path) -> None:
    fuzz(api, tmp_path, "--max-time", "180")

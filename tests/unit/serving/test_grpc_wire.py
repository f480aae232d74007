"""Frames, deadlines and status texts of gRPC."""

from __future__ import annotations

import gzip
import zlib
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tf_serving.embedded.grpc_settings import channel_arguments
from tf_serving.embedded.grpc_wire import check_encoding, framed, message, status, timeout_s
from tf_serving.embedded.status import Code, ServingError

LIMIT = 1000


@given(st.binary(max_size=300), st.sampled_from([b"", b"identity", b"gzip", b"deflate"]))
def test_what_is_framed_is_read_back(content: bytes, encoding: bytes) -> None:
    assert message(framed(content, encoding), encoding, LIMIT) == content


def test_answers_are_compressed_only_where_that_makes_them_smaller() -> None:
    assert framed(b"a" * 500, b"gzip")[0] == 1
    assert framed(b"abc", b"gzip") == b"\0\0\0\0\3abc"


@pytest.mark.parametrize(
    ("body", "encoding", "code", "text"),
    [
        (b"", b"", Code.UNIMPLEMENTED, "Missing request message"),
        (b"\0\0\0", b"", Code.INTERNAL, "cut short"),
        (b"\0\0\0\0\5abc", b"", Code.INTERNAL, "cut short"),
        (b"\0\0\0\0\1ab", b"", Code.UNIMPLEMENTED, "one request message"),
        (b"\0\0\0\4\1" + b"a" * 1025, b"", Code.RESOURCE_EXHAUSTED, "Received message larger than max (1025 vs. 1000)"),
        (b"\0\xff\xff\xff\xff", b"", Code.RESOURCE_EXHAUSTED, "Received message larger than max (4294967295 vs. 1000)"),
        (b"\1\0\0\0\1a", b"", Code.INTERNAL, "no grpc-encoding"),
        (b"\1\0\0\0\2ab", b"gzip", Code.INTERNAL, "Failed to decompress"),
        (b"\7\0\0\0\1a", b"gzip", Code.INTERNAL, "compressed"),
    ],
)
def test_a_body_that_is_no_message_is_refused(body: bytes, encoding: bytes, code: Code, text: str) -> None:
    with pytest.raises(ServingError) as caught:
        message(body, encoding, LIMIT)
    assert caught.value.code is code
    assert text in caught.value.message


@pytest.mark.parametrize(("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_a_small_message_cannot_unpack_to_a_large_one(encoding: bytes, compress: object) -> None:
    for content, text in ((compress(b"a" * 10**6), "larger than max"), (compress(b"abc")[:-3], "cut short")):
        with pytest.raises(ServingError, match=text):
            message(b"\1" + len(content).to_bytes(4, "big") + content, encoding, LIMIT)


def test_unknown_compressions_are_unimplemented() -> None:
    for known in (b"", b"identity", b"gzip", b"deflate"):
        check_encoding(known)
    with pytest.raises(ServingError) as caught:
        check_encoding(b"snappy")
    assert caught.value.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"5S", 5), (b"250m", 0.25), (b"99999999u", 99.999999), (b"8n", 8e-9)],
)
def test_deadlines_have_units(text: bytes, seconds: float) -> None:
    assert timeout_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"", b"5", b"S", b"123456789S", b"-1S", b"1.5S", b"5 S", b"5s"])
def test_deadlines_that_cannot_be_read_are_none(text: bytes) -> None:
    assert timeout_s(text) is None


@given(st.text(max_size=1024))
@example(" ")
@example("no label x ")
@example("  % ä  ")
def test_status_texts_survive_the_header(text: str) -> None:
    (_, code), (_, encoded) = status(ServingError(Code.NOT_FOUND, text))
    assert code == b"5"
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert encoded == encoded.strip(b" "), "not allowed in a header"
    assert unquote_to_bytes(encoded) == text.encode("utf-8", "replace")


def test_long_status_texts_are_cut() -> None:
    (_, encoded) = status(ServingError(Code.INTERNAL, "x" * 2000))[1]
    assert encoded == b"x" * 1024 + b"...TRUNCATED"


def test_channel_arguments_reach_the_server_or_are_named_as_idle() -> None:
    found = channel_arguments(
        "grpc.max_concurrent_streams=7,grpc.max_connection_idle_ms=1500,grpc.max_receive_message_length=99,"
        "grpc.max_send_message_length=-1,grpc.default_compression_algorithm=2,grpc.primary_user_agent=grid"
    )
    assert (found.options["max_concurrent_streams"], found.options["timeout_keep_alive"]) == (7, 1.5)
    assert (found.limits.largest_received, found.limits.largest_sent) == (99, 2**31 - 1)
    assert found.limits.encoding == b"gzip"
    assert found.idle == ("grpc.primary_user_agent",)
    assert channel_arguments("").options["timeout_keep_alive"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grpc.max_concurrent_streams", "is not key=value"),
        ("grpc.max_concurrent_streams=many", "must be a whole number, not 'many'"),
        ("grpc.default_compression_algorithm=9", r"must be 0 \(none\), 1 \(deflate\) or 2 \(gzip\)"),
    ],
)
def test_wrong_channel_arguments_are_refused(text: str, said: str) -> None:
    with pytest.raises(ServingError, match=said):
        channel_arguments(text)

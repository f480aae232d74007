"""The key pair by which a push service knows this sender (VAPID, RFC 8292)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from smartgrid.errors import ConfigurationError

if TYPE_CHECKING:
    from py_vapid import Vapid02


@dataclass(frozen=True)
class VapidKeys:
    """Both halves in base64url. The browser subscribes with the public one (`applicationServerKey`)."""

    private_key: SecretStr
    public_key: str


def new_vapid_keys() -> VapidKeys:
    """A fresh pair. Subscriptions made with another pair cannot be reached with it."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_numbers().private_value.to_bytes(32, "big")
    private = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return VapidKeys(SecretStr(private), vapid_public_key(SecretStr(private)))


def vapid_public_key(private_key: SecretStr) -> str:
    """The public half, as a browser's `applicationServerKey` takes it.

    Raises:
        ConfigurationError: the private key cannot be read.
    """
    from cryptography.hazmat.primitives import serialization

    point = read_vapid_key(private_key).public_key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


@lru_cache(maxsize=8)
def read_vapid_key(private_key: SecretStr) -> Vapid02:
    """A key given as base64url of its 32 bytes or of DER, as PEM, or as the path of a file with one of these.

    Raises:
        ConfigurationError: it is none of these. The key itself is not told.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from py_vapid import Vapid02, VapidException

    text = private_key.get_secret_value().strip().replace("\\n", "\n")
    try:
        # A PEM is longer than any path may be, and a raw key names no file.
        if "-----BEGIN" not in text and len(text) < 1024 and Path(text).expanduser().is_file():
            text = Path(text).expanduser().read_text().strip()
        if "-----BEGIN" in text:
            return Vapid02.from_pem(text.encode())
        return Vapid02.from_string(text)
    except (ValueError, TypeError, OSError, binascii.Error, VapidException, UnsupportedAlgorithm) as error:
        problem = f"VAPID_PRIVATE_KEY is no P-256 private key in base64url or PEM ({type(error).__name__})"
        raise ConfigurationError([f"{problem}: `smartgrid notifications vapid-keys` makes one"]) from None

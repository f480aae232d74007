"""Whose certificates the channels trust."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import certifi

from smartgrid.notifications.errors import DeliveryFailed


@lru_cache(maxsize=8)
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """The system's authorities (SSL_CERT_FILE counts), certifi's, and those of `ca_file`.

    Raises:
        DeliveryFailed: configuration, where there are no certificates in `ca_file`.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            reason = f"SMARTGRID_CHANNELS__EGRESS__CA_FILE: no PEM certificates in {ca_file} ({type(error).__name__})"
            raise DeliveryFailed("configuration", reason) from None
    return context

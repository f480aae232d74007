"""The keys by which browsers' push services know this sender."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from smartgrid.errors import ConfigurationError
from smartgrid.notifications.webpush_keys import new_vapid_keys, vapid_public_key


def test_a_new_pair_fits_together_and_is_new() -> None:
    keys = new_vapid_keys()
    assert vapid_public_key(keys.private_key) == keys.public_key != new_vapid_keys().public_key
    assert len(base64.urlsafe_b64decode(keys.public_key + "=")) == 65
    assert len(keys.private_key.get_secret_value()) == 43
    assert keys.private_key.get_secret_value() not in repr(keys)


def test_raw_pem_escaped_pem_and_file_are_the_same_key(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    raw = base64.urlsafe_b64encode(key.private_numbers().private_value.to_bytes(32, "big")).rstrip(b"=").decode()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    (tmp_path / "vapid.pem").write_text(pem)
    forms = [raw, pem, pem.replace("\n", "\\n"), str(tmp_path / "vapid.pem")]
    assert len({vapid_public_key(SecretStr(form)) for form in forms}) == 1


@pytest.mark.parametrize("text", ["your-vapid-private-key", "", "/no/such/file.pem", "-----BEGIN PRIVATE KEY-----"])
def test_what_is_no_key_is_told_without_being_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="VAPID_PRIVATE_KEY") as caught:
        vapid_public_key(SecretStr(text))
    assert not text or text not in str(caught.value)

"""Tokens: by secret and by certificate, cached, renewed, never sent where they do not belong."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from entra_standin import TENANT, private_pem, self_signed
from powerbi_world import World

from smartgrid.powerbi import get_powerbi_access_token
from smartgrid.powerbi.access import Access
from smartgrid.powerbi.clouds import CLOUDS
from smartgrid.powerbi.errors import BadCertificate, NotConfigured, SignInRefused, SignInUnreachable, WrongAddress
from smartgrid.powerbi.tokens import TokenSource


@pytest.mark.parametrize("password", [None, "of the key"])
def test_certificate_signs_in(world: World, tmp_path: Path, password: str | None) -> None:
    certificate, key = self_signed("smartgrid")
    world.entra.client_certificate = certificate
    pem = tmp_path / "client.pem"
    pem.write_bytes(private_pem(key, password) + certificate.public_bytes(serialization.Encoding.PEM))
    world.set(client_secret=None, certificate_path=pem, certificate_password=password)
    assert world.entra.verify(get_powerbi_access_token())["tid"] == TENANT


def test_another_certificate_is_refused(world: World, tmp_path: Path) -> None:
    world.entra.client_certificate, _ = self_signed("registered")
    certificate, key = self_signed("stolen")
    pem = tmp_path / "client.pem"
    pem.write_bytes(private_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
    world.set(client_secret=None, certificate_path=pem)
    with pytest.raises(SignInRefused):
        get_powerbi_access_token()


def test_unusable_certificate_is_named_without_its_content(world: World, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
    world.set(client_secret=None, certificate_path=tmp_path / "bad.pem")
    with pytest.raises(BadCertificate) as caught:
        get_powerbi_access_token()
    assert "secret" not in str(caught.value)


def test_token_is_cached_until_five_minutes_before_its_end(world: World) -> None:
    source, before = TokenSource(Access.from_settings()), world.entra.requests
    assert source.token() == source.token()
    assert world.entra.requests - before == 1
    world.entra.life_s = 299.0
    source.renew()
    assert source.token() != source.token()
    assert world.entra.requests - before == 3


def test_sign_in_without_a_discovery_document_works(world: World) -> None:
    world.entra.publishes_discovery = False
    assert world.entra.verify(get_powerbi_access_token())


def test_own_certificate_authority_is_the_only_one_trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment names another bundle for all programs."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")
    assert get_powerbi_access_token()
    world.set(ca_file=None)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(SignInUnreachable):
        get_powerbi_access_token()


@pytest.mark.parametrize("name", ["authority", "api_base", "app_base"])
@pytest.mark.parametrize("url", ["http://login.example.org/x", "ftp://127.0.0.1", "login.example.org"])
def test_addresses_that_would_tell_secrets_are_refused(world: World, name: str, url: str) -> None:
    world.set(**{name: url})
    with pytest.raises(WrongAddress):
        Access.from_settings()


def test_everything_that_is_missing_is_named_at_once(world: World) -> None:
    world.set(client_id=None, client_secret=None, tenant_id=None, workspace_id=None)
    with pytest.raises(NotConfigured) as caught:
        get_powerbi_access_token()
    assert len(caught.value.missing) == 4
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("cloud", sorted(CLOUDS))
def test_cloud_sets_all_addresses(world: World, cloud: str) -> None:
    world.set(cloud=cloud, authority=None, api_base=None)
    access = Access.from_settings()
    assert access.authority == f"{CLOUDS[cloud].authority}/{TENANT}"
    assert access.scope == f"{CLOUDS[cloud].resource}/.default"
    assert access.api_base == CLOUDS[cloud].api_base


@pytest.mark.parametrize("suffix", ["", "/", "/v1.0", "/v1.0/myorg", "/v1.0/myorg/"])
def test_api_address_may_be_given_with_its_path(world: World, suffix: str) -> None:
    world.set(api_base=f"https://api.example.org{suffix}")
    assert Access.from_settings().api_base == "https://api.example.org"


def test_secrets_are_not_shown(world: World) -> None:
    secret = world.environment["POWERBI_CLIENT_SECRET"]
    access = Access.from_settings()
    assert secret not in repr(access)
    assert secret not in repr(TokenSource(access).__dict__)

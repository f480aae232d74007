"""Which addresses a user may name."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from smartgrid.channel_settings import Egress
from smartgrid.notifications.egress import EgressPolicy, EgressRefused
from smartgrid.notifications.name_lookup import NameNotFound, resolve

PUBLIC = EgressPolicy()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "javascript:alert(1)", "example.org/hook",
        "http:///hook", "http://", "", "http://user@example.org/", "http://user:word@example.org/",
        "http://public.example@127.0.0.1/", "http://exa mple.org/", "http://example.org\r\nX: y", "http://example.org\\@x/",
        "http://example.org:0/", "http://example.org:99999/", "http://[::1/", "https://example.org/\x00",
    ],
)  # fmt: skip
def test_only_plain_http_addresses_are_accepted(url: str) -> None:
    with pytest.raises(EgressRefused):
        PUBLIC.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hook?key=1",
        "http://example.org:8080/",
        "https://93.184.216.34/",
        "https://[2606:4700::1111]/",
    ],
)
def test_public_addresses_are_accepted(url: str) -> None:
    assert PUBLIC.check_url(url).hostname


INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
    "fd00::8", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_of_the_public_internet_are_refused(address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(EgressRefused):
        PUBLIC.check_url(f"http://{literal}/")
    with pytest.raises(EgressRefused):
        EgressPolicy(resolver=lambda _host, _port: [address]).addresses("public.example", 80)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"])
def test_odd_spellings_of_loopback_are_refused_once_resolved(host: str) -> None:
    with pytest.raises((EgressRefused, NameNotFound)):
        PUBLIC.addresses(host, 80)


def test_of_a_name_with_inner_and_public_addresses_only_the_public_ones_are_reached() -> None:
    policy = EgressPolicy(resolver=lambda _host, _port: ["10.0.0.1", "93.184.216.34", "169.254.169.254"])
    assert policy.addresses("mixed.example", 443) == ["93.184.216.34"]


def test_networks_of_the_settings_are_opened_and_no_others() -> None:
    policy = EgressPolicy(Egress(allow=("10.20.0.0/16", "fd12::/16")))
    for address in ("10.20.1.1", "fd12::1"):
        policy.check_address("h", ipaddress.ip_address(address))
    for address in ("10.21.1.1", "fd13::1"):
        with pytest.raises(EgressRefused):
            policy.check_address("h", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("scada.example", True), ("SCADA.example.", True), ("a.plant.example", True), ("b.a.plant.example", True),
        ("plant.example", False), ("evilplant.example", False), ("scada.example.evil.org", False),
    ],
)  # fmt: skip
def test_hosts_of_the_settings_are_opened_by_their_whole_name(host: str, allowed: bool) -> None:
    policy = EgressPolicy(
        Egress(allow=("scada.example", "*.plant.example")), resolver=lambda _host, _port: ["10.0.0.9"]
    )
    if allowed:
        assert policy.addresses(host, 443) == ["10.0.0.9"]
    else:
        with pytest.raises(EgressRefused):
            policy.addresses(host, 443)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "fd00:ec2::254"])
def test_the_metadata_services_stay_closed_whatever_is_allowed(address: str) -> None:
    policy = EgressPolicy(Egress(allow=("0.0.0.0/0", "::/0", "metadata.example")), resolver=lambda _h, _p: [address])
    with pytest.raises(EgressRefused):
        policy.addresses("metadata.example", 80)


@pytest.mark.parametrize("network", ["10.20.0.1/16", "10.0.0.0/99", "scada.example/24"])
def test_what_is_no_network_is_a_wrong_setting(network: str) -> None:
    with pytest.raises(ValidationError, match=network):
        Egress(allow=(network,))


def test_a_name_without_address_may_be_tried_again() -> None:
    with pytest.raises(NameNotFound):
        resolve("no-such-host.invalid", 80)
    with pytest.raises(NameNotFound):
        EgressPolicy(resolver=lambda _host, _port: []).addresses("nothing.example", 80)


def test_a_name_server_that_stays_silent_is_not_waited_for_and_keeps_no_other_name_waiting() -> None:
    answers = threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        if host == "silent.example":
            answers.wait(60)
        return ["93.184.216.34"]

    policy = EgressPolicy(resolver=resolver)
    began = time.monotonic()
    try:
        for _ in range(40):
            with pytest.raises(NameNotFound, match=r"did not answer within 0\.01 s"):
                policy.addresses("silent.example", 443, timeout_s=0.01)
        assert policy.addresses("well.example", 443) == ["93.184.216.34"]
        assert time.monotonic() - began < 10
    finally:
        answers.set()


def test_a_refusal_names_the_setting_and_the_value_that_would_open_the_address() -> None:
    for host, value in (("127.0.0.1", "127.0.0.1/32"), ("::1", "::1/128"), ("scada.example", "10.0.0.9/32")):
        with pytest.raises(EgressRefused, match=f"add {value} or .* to SMARTGRID_CHANNELS__EGRESS__ALLOW") as caught:
            EgressPolicy(resolver=lambda _h, _p: ["10.0.0.9"]).addresses(host, 80)
        opened = EgressPolicy(Egress(allow=(caught.value.allow,)))
        opened.check_address(host, ipaddress.ip_address(value.partition("/")[0]))
    for url in ("http://169.254.169.254/", "ftp://10.0.0.1/", "http://a@10.0.0.1/"):
        with pytest.raises(EgressRefused) as refused:
            PUBLIC.check_url(url)
        assert "SMARTGRID" not in str(refused.value), "nothing opens this one"


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_every_disguise_of_an_inner_address_is_refused(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    disguises = [
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number),
        ipaddress.IPv6Address(number),
    ]
    for disguise in disguises:
        with pytest.raises(EgressRefused):
            PUBLIC.check_address("h", disguise)


@given(st.text(max_size=60))
def test_no_text_at_all_makes_the_check_fail_in_another_way(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.org:{text}/"):
        with contextlib.suppress(EgressRefused):
            assert PUBLIC.check_url(url).hostname

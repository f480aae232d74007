"""Which addresses may be reached when a user names them.

A webhook or Web Push address is whatever its owner typed. Without a policy it could name the cloud's metadata service
or a machine of the control network, and this process would fetch it (server-side request forgery). The policy looks
at the resolved address, and `egress_client` connects to exactly the address that was looked at: a name that resolves
differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from smartgrid.channel_settings import Egress
from smartgrid.notifications.errors import NotificationError
from smartgrid.notifications.name_lookup import LOOKUP_TIMEOUT_S, NameNotFound, Resolver, resolve, resolve_within

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Never, whatever the settings allow: link-local (metadata services of clouds), multicast, "this host".
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "224.0.0.0/4", "ff00::/8", "0.0.0.0/8", "::/128")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # an IPv4 address in the clothes of IPv6 (RFC 6052)

ALLOW_SETTING = "SMARTGRID_CHANNELS__EGRESS__ALLOW"


class EgressRefused(NotificationError):
    """The address is not one that this service may reach. `host` and `problem` tell which and why; `allow` is what
    would have to be in the setting that opens networks, if that can help."""

    exit_code = 2

    def __init__(self, host: str, problem: str, allow: str = "") -> None:
        self.host, self.problem, self.allow = host, problem, allow
        hint = f" To reach a receiver of your own network, add {allow} or its network or host to {ALLOW_SETTING}."
        super().__init__(f"{host or 'The address'} {problem}.{hint if allow else ''}")


@dataclass(frozen=True)
class EgressPolicy:
    """What `settings.channels.egress` allows. `resolver` gives the addresses of a host."""

    egress: Egress = field(default_factory=Egress)
    resolver: Resolver = resolve

    @cached_property
    def _networks(self) -> tuple[Network, ...]:
        return tuple(network for entry in self.egress.allow if (network := _network(entry)) is not None)

    @cached_property
    def _hosts(self) -> tuple[str, ...]:
        return tuple(entry.lower().rstrip(".") for entry in self.egress.allow if _network(entry) is None)

    def check_url(self, url: str) -> SplitResult:
        """The parts of an address that may be reached, as far as can be told without resolving its name.

        Raises:
            EgressRefused: another scheme than http and https, user information, no host, or a forbidden literal
                address.
        """
        if any(ord(character) <= 32 or ord(character) == 127 for character in url) or "\\" in url:
            raise EgressRefused("", "has white space, a control character or a backslash in it")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise EgressRefused("", "is not a valid http(s) address") from None
        if parts.scheme not in ("http", "https"):
            raise EgressRefused(host or "", "must be an http:// or https:// address")
        if not host or port == 0:
            raise EgressRefused("", "names no host or port")
        if "@" in parts.netloc:
            raise EgressRefused(host, "has a user name or password in it, which receivers do not get")
        literal = _literal(host)
        if literal is not None:
            self.check_address(host, literal)
        return parts

    def addresses(self, host: str, port: int, timeout_s: float = LOOKUP_TIMEOUT_S) -> list[str]:
        """Those addresses of a host that may be reached; only these are ever connected to.

        Raises:
            EgressRefused: none of them may.
            NameNotFound: there is none, or the resolver did not answer within `timeout_s`.
        """
        allowed, refused = [], None
        # What is an address already needs no lookup.
        found = [host] if _literal(host) is not None else resolve_within(self.resolver, host, port, timeout_s)
        for text in found:
            try:
                self.check_address(host, ipaddress.ip_address(text.partition("%")[0]))
                allowed.append(text)
            except EgressRefused as refusal:
                refused = refused or refusal
        if not allowed:
            raise refused or NameNotFound(host, "it has no address")
        return allowed

    def check_address(self, host: str, address: Address) -> None:
        """Raise EgressRefused unless `address`, of `host`, may be reached."""
        address = _unwrapped(address)
        if any(address in network for network in _NEVER):
            raise EgressRefused(host, f"is {address}, an address that is never reached")
        if address.is_global and not address.is_reserved:
            return
        if self._allowed_host(host) or any(address in network for network in self._networks):
            return
        problem = f"is {address}, which is not on the public internet"
        raise EgressRefused(host, problem, allow=f"{address}/{address.max_prefixlen}")

    def _allowed_host(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        return any(name.endswith(entry[1:]) if entry.startswith("*.") else name == entry for entry in self._hosts)


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        return None  # the name of a host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is None and int(address) >> 32 == 0 and int(address) > 1:
        inner = ipaddress.IPv4Address(int(address))  # ::7f00:1, the deprecated "compatible" form
    return inner or address

"""The HTTP session of both addresses: one set of certificate authorities, no credentials from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from smartgrid.powerbi.access import is_loopback

CONNECT_TIMEOUT_S = 10.0
DISCOVERY = "/v2.0/.well-known/openid-configuration"


class PowerBiSession(requests.Session):
    """A session with a time limit on each request, that trusts `ca_file` alone where it is given.

    `REQUESTS_CA_BUNDLE` would overrule `verify`, and a ~/.netrc the Authorization header; proxies of the environment
    stay in force.
    """

    def __init__(self, timeout_s: float, ca_file: Path | None) -> None:
        super().__init__()
        self._timeout = (min(CONNECT_TIMEOUT_S, timeout_s), timeout_s)
        self._ca_file = str(ca_file) if ca_file else None
        self.headers["User-Agent"] = "smartgrid-powerbi/1"

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        merged = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if self._ca_file:
            merged["verify"] = self._ca_file
        return merged

    def request(self, *arguments: Any, **keywords: Any) -> requests.Response:
        keywords.setdefault("timeout", self._timeout)
        # A redirect would carry the token, or lose it, on the way to an address that nobody set.
        keywords["allow_redirects"] = False
        return super().request(*arguments, **keywords)


class SignInSession(PowerBiSession):
    """What the sign-in library sends through.

    The library insists on https addresses. A sign-in service on loopback (a test stand-in) may speak plain http: its
    requests are put on http here. One that publishes no discovery document is taken to have Entra's layout.
    """

    def __init__(self, timeout_s: float, ca_file: Path | None, authority: str, own_authority: bool) -> None:
        super().__init__(timeout_s, ca_file)
        self._authority = authority.replace("http://", "https://", 1)
        self._own = own_authority
        if authority.startswith("http://") and is_loopback(authority):
            self.mount(f"https://{urlsplit(authority).netloc}", _PlainHttp())

    @property
    def library_authority(self) -> str:
        """The address as the library wants it."""
        return self._authority

    def get(self, url: str | bytes, **keywords: Any) -> requests.Response:
        response = super().get(url, **keywords)
        if self._own and str(url).endswith("/.well-known/openid-configuration") and _no_document(response):
            response.status_code = 200
            base = f"{self._authority}/oauth2/v2.0"
            document = {
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "issuer": f"{self._authority}/v2.0",
            }
            response._content = json.dumps(document).encode()
        return response


class _PlainHttp(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *arguments: Any, **keywords: Any) -> requests.Response:
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, *arguments, **keywords)


def _no_document(response: requests.Response) -> bool:
    if response.status_code in (404, 405, 501):
        return True
    if response.status_code != requests.codes.ok:
        return False
    try:
        return "token_endpoint" not in response.json()
    except (ValueError, TypeError):
        return True

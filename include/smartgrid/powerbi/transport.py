"""One request of the REST API: token, outcome by kind, repetition where that is safe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import requests

from smartgrid.powerbi.access import Access
from smartgrid.powerbi.entities import Json
from smartgrid.powerbi.errors import AccessDenied, NotFound, NotSent, Refused, Throttled, Unavailable
from smartgrid.powerbi.http_session import PowerBiSession
from smartgrid.powerbi.retry_after import pause_s, retry_after_s
from smartgrid.powerbi.tokens import TokenSource

log = logging.getLogger(__name__)


class Bearer(requests.auth.AuthBase):
    """Sets the Authorization header itself: requests would otherwise prefer a password of ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """Sends requests below `<api_base>/v1.0/myorg`.

    `patience_s` is how long a request is repeated while the service is away or throttles; 0: not at all, for callers
    that wait by themselves. A request that is not safe to repeat is repeated only where the service cannot have acted.
    """

    def __init__(
        self, access: Access, tokens: TokenSource, patience_s: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._base = f"{access.api_base}/v1.0/myorg"
        self._tokens = tokens
        self._patience_s = patience_s
        self._sleep = sleep
        self._session = PowerBiSession(access.request_timeout_s, access.ca_file)

    def send(
        self, method: str, path: str, what: str, *, body: Json | None = None, safe: bool = True, stream: bool = False
    ) -> requests.Response:
        """The answer, of a status below 300.

        Raises:
            NotSent, Throttled: the service did not act. Unavailable: for want of an answer nobody knows.
            AccessDenied, NotFound, Refused: the service said no.
            SignInRefused
        """
        began, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return self._once(method, path, what, body, stream)
            except Unavailable as error:
                if not (safe or isinstance(error, (NotSent, Throttled))):
                    raise
                pause = pause_s(attempt, error.retry_after_s)
                if time.monotonic() - began + pause > self._patience_s:
                    raise
                log.warning("%s; again in %.1f s", str(error).rstrip("."), pause)
                self._sleep(pause)

    def json(self, method: str, path: str, what: str, *, body: Json | None = None, safe: bool = True) -> Json:
        """The JSON object of the answer."""
        return parsed(self.send(method, path, what, body=body, safe=safe), what)

    def _once(self, method: str, path: str, what: str, body: Json | None, stream: bool) -> requests.Response:
        response = self._call(method, path, what, body, stream)
        if response.status_code == requests.codes.unauthorized:
            # Revoked, or the clocks disagree about its end: one new token, one more try.
            response.close()
            self._tokens.renew()
            response = self._call(method, path, what, body, stream)
        _raise_for_status(response, what)
        return response

    def _call(self, method: str, path: str, what: str, body: Json | None, stream: bool) -> requests.Response:
        auth = Bearer(self._tokens.token())
        try:
            return self._session.request(method, self._base + path, json=body, auth=auth, stream=stream)
        except requests.exceptions.SSLError:
            raise NotSent(what, "the certificate of the service is not trusted (POWERBI_CA_FILE)") from None
        except requests.exceptions.ConnectTimeout:
            raise NotSent(what, "no connection in time") from None
        except requests.exceptions.ConnectionError as error:
            if _never_connected(error):
                raise NotSent(what, "no connection") from None
            raise Unavailable(what, "the connection broke before the answer") from None
        except requests.RequestException as error:
            raise Unavailable(what, type(error).__name__) from None


def parsed(response: requests.Response, what: str) -> Json:
    """The JSON object of `response`.

    Raises:
        Unavailable: it has none; a proxy or a service in trouble answers so.
    """
    try:
        answer = response.json()
    except ValueError:
        raise Unavailable(what, "the answer is not JSON") from None
    if not isinstance(answer, dict):
        raise Unavailable(what, "the answer is not a JSON object")
    return answer


def _raise_for_status(response: requests.Response, what: str) -> None:
    status = response.status_code
    if status < 300:
        return
    asked = retry_after_s(response.headers)
    if status == 429:
        raise Throttled(what, "throttled (HTTP 429)", asked)
    if status >= 500 or status == 408:
        raise Unavailable(what, f"HTTP {status}", asked)
    code, text = _told(response)
    if status < 400:
        code, text = code or "redirect", text or "the API answers with a redirect; check POWERBI_API_BASE."
    if status in (401, 403):
        raise AccessDenied(what, status, code, text)
    if status == 404:
        raise NotFound(what, status, code, text)
    raise Refused(what, status, code, text)


def _told(response: requests.Response) -> tuple[str, str]:
    """Code and text of an error answer; the service has several forms for them."""
    try:
        answer: Any = response.json()
    except ValueError:
        return "", response.text.strip()[:500]
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    if not isinstance(error, dict):
        return "", str(error)[:500]
    details = error.get("pbi.error") or error.get("details") or ""
    text = str(error.get("message") or error.get("detail") or "") or (str(details) if details else "")
    return str(error.get("code") or answer.get("errorCode") or ""), text[:500]


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    """Whether the connection itself failed, so that no byte was sent."""
    from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

    reason: object = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError):
        reason = reason.reason
    return isinstance(reason, (NewConnectionError, NameResolutionError))

"""Access tokens of a service principal, by client credentials with a secret or a certificate (MSAL)."""

from __future__ import annotations

import logging
import threading
from typing import Any

import requests

from smartgrid.powerbi.access import Access
from smartgrid.powerbi.errors import BadCertificate, SignInLibraryMissing, SignInRefused, SignInUnreachable
from smartgrid.powerbi.http_session import SignInSession

log = logging.getLogger(__name__)
# Errors that time heals; every other error of the protocol is about the credentials.
PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down", "throttled"})


class TokenSource:
    """Tokens, cached until five minutes before they end; thread-safe.

    The end is reckoned from `expires_in`, which does not depend on the clock of this machine being right. `renew`
    drops the cached token, for when the service refuses one that should still be good.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._application: Any = None

    def token(self) -> str:
        """A token that is good for at least five minutes.

        Raises:
            SignInRefused, SignInUnreachable, BadCertificate
        """
        with self._lock:
            try:
                answer = self._msal().acquire_token_for_client(scopes=[self._access.scope])
            except (requests.RequestException, OSError) as error:
                self._application = None
                raise SignInUnreachable("Sign-in service", type(error).__name__) from None
            except (ValueError, RuntimeError, KeyError) as error:
                self._application = None
                raise SignInUnreachable("Sign-in service", f"no usable answer ({type(error).__name__})") from None
            except Exception as error:
                from msal.exceptions import MsalError

                self._application = None
                if isinstance(error, MsalError):
                    raise SignInUnreachable("Sign-in service", str(error)[:200]) from None
                raise
        token = answer.get("access_token")
        if token:
            return str(token)
        self._application = None
        code, description = str(answer.get("error", "no token")), str(answer.get("error_description", ""))
        if code in PASSING:
            raise SignInUnreachable("Sign-in service", code)
        raise SignInRefused(code, description.splitlines()[0][:500] if description else "")

    def renew(self) -> None:
        """Forget the cached token: the next one comes from the sign-in service."""
        with self._lock:
            self._application = None

    def _msal(self) -> Any:
        if self._application is None:
            try:
                import msal
            except ImportError:
                raise SignInLibraryMissing from None

            # The library writes the claims of every token at DEBUG.
            logging.getLogger("msal").setLevel(logging.WARNING)
            access = self._access
            session = SignInSession(access.request_timeout_s, access.ca_file, access.authority, access.own_authority)
            self._application = msal.ConfidentialClientApplication(
                access.client_id,
                client_credential=self._credential(),
                authority=session.library_authority,
                instance_discovery=False if access.own_authority else None,
                http_client=session,
            )
        return self._application

    def _credential(self) -> Any:
        path = self._access.certificate_path
        if path is None:
            assert self._access.client_secret is not None
            return self._access.client_secret.get_secret_value()
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        try:
            pem = path.read_bytes()
            password = self._access.certificate_password
            key = serialization.load_pem_private_key(pem, password.get_secret_value().encode() if password else None)
            certificate = x509.load_pem_x509_certificate(pem)
        except OSError as error:
            raise BadCertificate(str(path), error.strerror or "cannot be read") from None
        except (ValueError, TypeError):
            raise BadCertificate(str(path), "not readable, or its password is wrong") from None
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "private_key": plain.decode(),
            "thumbprint": certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - Entra names keys so
            "public_certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        }

"""A stand-in for the sign-in service: client credentials by secret or certificate, real RS256 tokens, over TLS."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "99999999-8888-4777-8666-555555555555"
SECRET = "tell-nobody~0123456789"
AUDIENCE = "https://analysis.windows.net/powerbi/api"


class Entra:
    """What the sign-in service does next is set on this object."""

    def __init__(self, folder: Path) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.life_s = 3600.0
        self.issued: list[str] = []
        self.requests = 0
        self.faults: list[tuple[int, dict[str, Any]]] = []
        self.secret = SECRET
        self.client_certificate: x509.Certificate | None = None
        self.publishes_discovery = True
        self.ca_file = folder / "tls.pem"
        self._key_file = folder / "tls.key"
        certificate, key = self_signed("127.0.0.1")
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._key_file.write_bytes(private_pem(key))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, self._key_file)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.authority = f"https://127.0.0.1:{self.server.server_address[1]}/{TENANT}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def token(self, **claims: Any) -> str:
        now = time.time()
        body = {
            "aud": AUDIENCE, "iss": f"{self.authority}/v2.0", "appid": CLIENT, "tid": TENANT,
            "iat": now, "nbf": now, "exp": now + self.life_s, "jti": uuid.uuid4().hex,
        }  # fmt: skip
        text = jwt.encode(body | claims, self.key, algorithm="RS256", headers={"kid": "1"})
        self.issued.append(text)
        return text

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a good token; jwt.PyJWTError for any other."""
        return dict(jwt.decode(token, self.key.public_key(), algorithms=["RS256"], audience=AUDIENCE))

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if form.get("grant_type") != "client_credentials" or form.get("client_id") != CLIENT:
            return 400, {"error": "unauthorized_client", "error_description": "AADSTS700016: Application not found."}
        if form.get("scope") != f"{AUDIENCE}/.default":
            return 400, {"error": "invalid_scope", "error_description": "AADSTS70011: The scope is not valid."}
        if "client_assertion" in form:
            assert self.client_certificate is not None
            try:
                jwt.decode(
                    form["client_assertion"], self.client_certificate.public_key(), algorithms=["RS256", "PS256"],
                    audience=f"{self.authority}/oauth2/v2.0/token",
                )  # fmt: skip
            except jwt.PyJWTError as error:
                return 401, {"error": "invalid_client", "error_description": f"AADSTS700027: {error}"}
        elif form.get("client_secret") != self.secret:
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
        return 200, {"token_type": "Bearer", "expires_in": int(self.life_s), "access_token": self.token()}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        entra = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if not entra.publishes_discovery or not self.path.endswith("/.well-known/openid-configuration"):
                    self._answer(404, {"error": "not_found"})
                    return
                base = f"{entra.authority}/oauth2/v2.0"
                self._answer(
                    200,
                    {
                        "issuer": f"{entra.authority}/v2.0", "authorization_endpoint": f"{base}/authorize",
                        "token_endpoint": f"{base}/token",
                    },
                )  # fmt: skip

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                entra.requests += 1
                if entra.faults:
                    self._answer(*entra.faults.pop(0))
                    return
                if not self.path.startswith(f"/{TENANT}/oauth2/v2.0/token"):
                    self._answer(404, {"error": "invalid_request", "error_description": "no such tenant"})
                    return
                self._answer(*entra.grant({name: values[0] for name, values in parse_qs(body).items()}))

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def running_entra(folder: Path) -> Iterator[Entra]:
    entra = Entra(folder)
    try:
        yield entra
    finally:
        entra.close()


def private_pem(key: rsa.RSAPrivateKey, password: str | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def self_signed(name: str) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key

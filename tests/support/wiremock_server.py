"""WireMock (from npm, a Java program): stubs with any status, header, delay or broken connection, over HTTP and HTTPS
with HTTP/2, and a journal of every request that came."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from local_server import LocalServer
from loopback_certificate import LoopbackCertificate
from node_tools import node_modules
from serving_process import free_port


class WireMock:
    """A running WireMock; `stub` adds an answer, `requests` reads the journal, `reset` forgets both."""

    def __init__(self, folder: Path, certificate: LoopbackCertificate | None = None) -> None:
        java = shutil.which("java")
        if java is None:
            pytest.skip("no java: WireMock runs on it")
        jars = sorted((node_modules() / "wiremock" / "build").glob("wiremock-standalone-*.jar"))
        assert jars, "the npm package wiremock has no jar"
        port, self.https_port = free_port(), free_port() if certificate else None
        command = [
            java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(jars[-1]),
            "--bind-address", "127.0.0.1", "--port", str(port), "--root-dir", str(folder), "--disable-banner",
            "--container-threads", "30",
        ]  # fmt: skip
        if certificate is not None:
            command += [
                "--https-port", str(self.https_port), "--https-keystore", str(certificate.keystore),
                "--keystore-type", "PKCS12", "--keystore-password", "password", "--key-manager-password", "password",
            ]  # fmt: skip
        self._server = LocalServer(command, folder / "wiremock.log", port=port)
        self._admin = httpx.Client(base_url=f"{self._server.url}/__admin", trust_env=False, timeout=30)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def https_url(self) -> str:
        return f"https://localhost:{self.https_port}"

    def stub(
        self,
        method: str,
        path: str,
        *,
        status: int = 200,
        json: Any = None,
        text: str | None = None,
        headers: dict[str, str] | None = None,
        delay_ms: int | None = None,
        fault: str | None = None,
        scenario: tuple[str, str, str] | None = None,
        body_contains: str | None = None,
        priority: int = 5,
    ) -> None:
        """Answer `method` on a path pattern. `fault`: e.g. CONNECTION_RESET_BY_PEER. `scenario`: its name, the state
        in which this answers and the state after it (the first is "Started")."""
        request: dict[str, Any] = {"method": method, "urlPathPattern": path}
        if body_contains is not None:
            request["bodyPatterns"] = [{"contains": body_contains}]
        response: dict[str, Any] = {"fault": fault} if fault else {"status": status, "headers": headers or {}}
        if json is not None:
            response["jsonBody"] = json
            response["headers"] = {"Content-Type": "application/json", **(headers or {})}
        if text is not None:
            response["body"] = text
        if delay_ms is not None:
            response["fixedDelayMilliseconds"] = delay_ms
        mapping: dict[str, Any] = {"request": request, "response": response, "priority": priority}
        if scenario is not None:
            mapping |= {
                "scenarioName": scenario[0], "requiredScenarioState": scenario[1], "newScenarioState": scenario[2],
            }  # fmt: skip
        self._admin.post("/mappings", json=mapping).raise_for_status()

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far, oldest first: `url`, `method`, `headers`, `body`, `protocol`..."""
        answer = self._admin.get("/requests")
        answer.raise_for_status()
        return [entry["request"] for entry in reversed(answer.json()["requests"])]

    def reset(self) -> None:
        self._admin.post("/reset").raise_for_status()

    def __enter__(self) -> WireMock:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()
        self._server.stop()

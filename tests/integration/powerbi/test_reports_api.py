"""The routes of Power BI, as the analytics API and the pages serve them."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import jwt
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from powerbi_fake import FORBIDDEN_REPORT, PAGINATED_REPORT, PDF, REPORT, SECURED_DATASET, SECURED_REPORT
from powerbi_world import World

from smartgrid.api.analytics.powerbi import PREFIX, build_router
from smartgrid.api.callers import Caller, Role

CALLERS = {
    "v": Caller("vera viewer", "viewer"), "o": Caller("olga", "operator"), "o2": Caller("otto", "operator"),
    "v2": Caller("vito", "viewer"),
}  # fmt: skip


def require(role: Role) -> Callable[..., Awaitable[Caller]]:
    async def caller(authorization: Annotated[str, Header()] = "") -> Caller:
        found = CALLERS.get(authorization.removeprefix("Bearer "))
        if found is None:
            raise HTTPException(401, "no token", headers={"WWW-Authenticate": "Bearer"})
        if not found.may(role):
            raise HTTPException(403, f"role {role} is needed")
        return found

    return caller


@pytest.fixture
def api(world: World) -> TestClient:
    app = FastAPI()
    app.include_router(build_router(require))
    return TestClient(app)


def as_(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


def export(api: TestClient, report: str, file_format: str, who: str = "o") -> Any:
    return api.post(f"{PREFIX}/exports", json={"report_id": report, "format": file_format}, headers=as_(who))


def until_done(api: TestClient, url: str, who: str = "o") -> dict[str, Any]:
    for _ in range(20):
        answer = api.get(url, headers=as_(who))
        assert answer.status_code == 200, answer.text
        if answer.json()["state"] != "running":
            return dict(answer.json())
    raise AssertionError(answer.json())


def test_viewer_sees_the_reports(api: TestClient) -> None:
    answer = api.get(f"{PREFIX}/reports", headers=as_("v"))
    assert answer.status_code == 200
    assert [(one["name"], one["paginated"]) for one in answer.json()["reports"]] == [
        ("Invoice", True), ("Load", False), ("Load by region", False),
    ]  # fmt: skip


def test_routes_need_a_token_and_the_role(api: TestClient) -> None:
    for path in ("/reports", f"/embed-token?report_id={REPORT}", f"/exports/{REPORT}", f"/exports/{REPORT}/file"):
        assert api.get(PREFIX + path).status_code == 401
    assert export(api, REPORT, "PDF", who="nobody").status_code == 401
    assert export(api, REPORT, "PDF", who="v").status_code == 403


def test_embed_token_opens_one_report_read_only_for_a_short_time(api: TestClient, world: World) -> None:
    answer = api.get(f"{PREFIX}/embed-token", params={"report_id": REPORT}, headers=as_("v"))
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["token"].startswith("H4s-embed-")
    assert made["embed_url"].startswith("https://app.powerbi.com/reportEmbed")
    assert made["identity_roles"] is None
    assert "no-store" in answer.headers["cache-control"]
    (body,) = [body for path, body in world.service.bodies if path == "/GenerateToken"]
    assert body["reports"] == [{"id": REPORT, "allowEdit": False}]
    assert body["lifetimeInMinutes"] == 15


def test_row_level_roles_follow_the_role_of_the_caller(api: TestClient, world: World) -> None:
    world.set(rls_roles=json.dumps({"viewer": ["North"], "operator": ["North", "South"]}))
    for who, roles in (("v", ["North"]), ("o", ["North", "South"])):
        answer = api.get(f"{PREFIX}/embed-token", params={"report_id": SECURED_REPORT}, headers=as_(who))
        assert answer.json()["identity_roles"] == roles
        identity = [body for path, body in world.service.bodies if path == "/GenerateToken"][-1]["identities"][0]
        assert identity == {
            "username": CALLERS[who].name.replace(" ", "_"),
            "roles": roles,
            "datasets": [SECURED_DATASET],
        }


def test_role_without_row_level_roles_gets_no_token(api: TestClient, world: World) -> None:
    world.set(rls_roles=json.dumps({"operator": ["North"]}))
    answer = api.get(f"{PREFIX}/embed-token", params={"report_id": SECURED_REPORT}, headers=as_("v"))
    assert answer.status_code == 403
    assert "POWERBI_RLS_ROLES" in answer.json()["detail"]
    assert "/GenerateToken" not in [path for path, _ in world.service.bodies]


def test_report_without_rights_is_403_and_an_unknown_one_404(api: TestClient) -> None:
    params = {"report_id": FORBIDDEN_REPORT}
    refused = api.get(f"{PREFIX}/embed-token", params=params, headers=as_("v"))
    assert refused.status_code == 403
    assert "PowerBINotAuthorizedException" in refused.json()["detail"]
    unknown = {"report_id": "00000000-0000-4000-8000-000000000000"}
    assert api.get(f"{PREFIX}/embed-token", params=unknown, headers=as_("v")).status_code == 404
    assert api.get(f"{PREFIX}/embed-token", params={"report_id": "../groups"}, headers=as_("v")).status_code == 422


@pytest.mark.parametrize("file_format", ["PDF", "PPTX", "PNG"])
def test_report_is_exported_to_a_file(api: TestClient, file_format: str) -> None:
    started = export(api, REPORT, file_format)
    assert started.status_code == 202, started.text
    status = until_done(api, started.headers["location"])
    assert (status["state"], status["format"], status["percent"]) == ("succeeded", file_format, 100)
    file = api.get(status["file_url"], headers=as_("o"))
    assert file.content == PDF
    assert "Load" in file.headers["content-disposition"]


def test_export_that_the_service_asks_to_repeat_is_repeated(api: TestClient, world: World) -> None:
    world.service.export_plan = ["Retry", "Succeeded"]
    status = until_done(api, export(api, REPORT, "PDF").headers["location"])
    assert (status["state"], status["attempts"]) == ("succeeded", 2)


@pytest.mark.parametrize(("plan", "attempts"), [(["Failed"], 1), (["Retry"] * 9, 3)])
def test_export_that_fails_is_told_as_failed(api: TestClient, world: World, plan: list[str], attempts: int) -> None:
    world.service.export_plan = list(plan)
    started = export(api, REPORT, "PDF")
    status = until_done(api, started.headers["location"])
    assert (status["state"], status["attempts"], status["file_url"]) == ("failed", attempts, None)
    assert api.get(f"{started.headers['location']}/file", headers=as_("o")).status_code == 409


def test_paginated_report_is_exported_to_excel_by_the_service(api: TestClient, world: World) -> None:
    assert export(api, PAGINATED_REPORT, "XLSX").status_code == 202
    assert export(api, PAGINATED_REPORT, "PNG").status_code == 422


def test_other_reports_become_a_workbook_from_queries(api: TestClient, world: World) -> None:
    refused = export(api, REPORT, "XLSX")
    assert refused.status_code == 422
    assert "POWERBI_WORKBOOK_QUERIES" in refused.json()["detail"]

    world.set(workbook_queries=json.dumps({"Load by zone": "EVALUATE 'Forecast'"}))
    started = export(api, REPORT, "XLSX")
    assert started.json()["state"] == "succeeded"
    file = api.get(started.json()["file_url"], headers=as_("o"))
    book = load_workbook(io.BytesIO(file.content))
    assert [[cell.value for cell in row] for row in book["Load by zone"]] == [
        ["zone", "load_kw"], ["Z1", 12.5], ["=cmd()", None],
    ]  # fmt: skip
    assert book["Load by zone"]["A3"].data_type == "s"  # text, not a formula


def test_workbook_of_a_dataset_with_row_level_security_is_refused(api: TestClient, world: World) -> None:
    world.set(workbook_queries='{"All": "EVALUATE X"}', rls_roles='{"operator": ["North"]}')
    answer = export(api, SECURED_REPORT, "XLSX")
    assert answer.status_code == 422
    assert "row-level" in answer.json()["detail"]


def test_export_carries_the_row_level_identity(api: TestClient, world: World) -> None:
    world.set(rls_roles='{"operator": ["North"]}')
    assert export(api, SECURED_REPORT, "PDF").status_code == 202
    body = world.service.bodies[-1][1]
    assert body["powerBIReportConfiguration"]["identities"][0]["roles"] == ["North"]


def test_viewer_sees_no_export_of_somebody_else(api: TestClient) -> None:
    url = export(api, REPORT, "PDF").headers["location"]
    assert api.get(url, headers=as_("v2")).status_code == 404
    assert api.get(f"{url}/file", headers=as_("v2")).status_code == 404
    assert api.get(url, headers=as_("o2")).status_code == 200


def test_file_is_not_there_before_the_export_has_ended(api: TestClient, world: World) -> None:
    url = export(api, REPORT, "PDF").headers["location"]
    assert api.get(f"{url}/file", headers=as_("o")).status_code == 409


def test_without_credentials_every_route_says_what_to_set(api: TestClient, world: World) -> None:
    world.set(client_secret=None, tenant_id=None)
    for answer in (
        api.get(f"{PREFIX}/reports", headers=as_("v")),
        api.get(f"{PREFIX}/embed-token", params={"report_id": REPORT}, headers=as_("v")),
        export(api, REPORT, "PDF"),
    ):
        assert answer.status_code == 503
        assert "POWERBI_TENANT_ID" in answer.json()["detail"]
        assert "POWERBI_CLIENT_SECRET" in answer.json()["detail"]
    assert world.service.calls == []


def test_service_that_is_away_is_503_with_its_own_pause(api: TestClient, world: World) -> None:
    world.service.fault("GET", "/reports$", status=429, headers={"Retry-After": "77"})
    answer = api.get(f"{PREFIX}/reports", headers=as_("v"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "77")


def test_refused_credentials_are_503_and_the_secret_is_not_told(api: TestClient, world: World) -> None:
    world.set(client_secret="a-wrong-secret")
    answer = api.get(f"{PREFIX}/reports", headers=as_("v"))
    assert answer.status_code == 503
    assert "a-wrong-secret" not in answer.text


def test_no_answer_or_log_holds_a_token_of_the_service(
    api: TestClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answers = [
        api.get(f"{PREFIX}/reports", headers=as_("v")).text,
        api.get(f"{PREFIX}/embed-token", params={"report_id": FORBIDDEN_REPORT}, headers=as_("v")).text,
        export(api, REPORT, "PDF").text,
    ]
    assert world.service.tokens_seen
    for token in world.service.tokens_seen:
        assert jwt.decode(token, options={"verify_signature": False})["aud"]  # a real one
        assert token not in caplog.text
        assert not any(token in answer for answer in answers)


def test_routes_work_below_the_page_too(world: World) -> None:
    from smartgrid.api.ui.app import build_app

    async def user() -> str:
        return "vera"

    pages = TestClient(build_app(user, require))
    page = pages.get("/reports", headers=as_("v"))
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert policy.endswith("; frame-src https://app.powerbi.com")
    assert pages.get("/powerbi-client/powerbi.min.js", headers=as_("v")).text.startswith("// powerbi-client v")
    assert pages.get(f"{PREFIX}/reports", headers=as_("v")).status_code == 200
    assert pages.get(f"{PREFIX}/reports").status_code == 401
    assert "frame-src" not in pages.get("/", headers=as_("v")).headers["content-security-policy"]


def test_pages_and_client_need_a_user(world: World) -> None:
    from smartgrid.api.ui.app import build_app

    pages = TestClient(build_app(Depends(require("viewer")).dependency, require))
    for path in ("/reports", "/powerbi-client/powerbi.min.js", "/static/reports.js"):
        assert pages.get(path).status_code == 401
        assert pages.get(path, headers=as_("v")).status_code == 200

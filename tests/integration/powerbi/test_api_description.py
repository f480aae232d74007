"""Our requests, and the answers of our fake, keep to Microsoft's description of its API: Prism checks both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_descriptions import api_description
from entra_standin import Entra
from node_tools import prism_proxy
from powerbi_fake import DATASET, PAGINATED_REPORT, PDF, REPORT, SECURED_REPORT, Ending, PowerBiFake, running_powerbi
from powerbi_world import World

from smartgrid.powerbi.access import Access
from smartgrid.powerbi.client import PowerBiClient
from smartgrid.powerbi.embed import embedding, identity_of
from smartgrid.powerbi.entities import Json
from smartgrid.powerbi.errors import AccessDenied, Refused
from smartgrid.powerbi.refresh_wait import wait_for

pytestmark = pytest.mark.servers
ROLES = {"viewer": ["North"]}


@pytest.fixture(scope="module")
def described(entra: Entra, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PowerBiFake, str]]:
    """The fake, and the address of the validating proxy before it."""
    description = api_description("powerbi_swagger.patched.json")
    with running_powerbi(entra.verify) as fake:
        log = tmp_path_factory.mktemp("prism") / "prism.log"
        with prism_proxy(description, fake.url, log, "--errors") as prism:
            yield fake, prism.url


@pytest.fixture
def fake(described: tuple[PowerBiFake, str], world: World) -> PowerBiFake:
    fake, url = described
    world.set(api_base=url)
    fake.started.clear()
    fake.endings.clear()
    fake.dedicated = True
    return fake


def client() -> PowerBiClient:
    return PowerBiClient(Access.from_settings(), patience_s=0)


def test_everything_that_is_read_is_as_described(fake: PowerBiFake) -> None:
    asked = client()
    assert asked.workspace().name == "Grid"
    assert len(asked.datasets()) == 2
    assert len(asked.reports()) == 3
    assert asked.dataset(DATASET).refreshable
    assert asked.report(REPORT).name == "Load"
    # Not the DAX query: the description says that its request consumes no media type, so Prism refuses every body.


@pytest.mark.parametrize("dedicated", [True, False], ids=["enhanced", "standard"])
@pytest.mark.parametrize("status", ["Completed", "Failed"])
def test_refreshes_are_as_described(fake: PowerBiFake, world: World, dedicated: bool, status: str) -> None:
    fake.dedicated = dedicated
    fake.endings.append(Ending(status, exception={"errorCode": "E", "message": "m"}))
    flow = world.flow()
    assert wait_for(flow, flow.store.open_request(None, "test")).state == status.lower()


def test_cancelling_is_as_described(fake: PowerBiFake, world: World) -> None:
    fake.endings.append(Ending(after_s=30))
    flow = world.flow()
    request = flow.store.open_request(None, "test")
    while not fake.started:
        flow.step(request)
    flow.cancel(request)
    assert wait_for(flow, request).state == "cancelled"


@pytest.mark.parametrize("report", [REPORT, SECURED_REPORT, PAGINATED_REPORT])
def test_embed_tokens_are_as_described(fake: PowerBiFake, report: str) -> None:
    made = embedding(client(), report, "vera", "viewer", ROLES, 15)
    assert made.token
    assert made.identity_roles == (["North"] if report == SECURED_REPORT else None)


@pytest.mark.parametrize("report", [REPORT, SECURED_REPORT, PAGINATED_REPORT])
def test_exports_are_as_described(fake: PowerBiFake, report: str) -> None:
    asked = client()
    identity = identity_of(asked, asked.report(report), "vera", "viewer", ROLES)
    body: Json = {"format": "PDF"}
    if identity:
        body["powerBIReportConfiguration"] = {"identities": [identity]}
    job = asked.start_export(report, body)
    while job.status != "Succeeded":
        job = asked.export_job(report, job.job_id)
    assert b"".join(asked.export_file(report, job.job_id)) == PDF


def test_proxy_refuses_what_is_not_described(fake: PowerBiFake) -> None:
    """So that the tests above prove something."""
    with pytest.raises((Refused, AccessDenied)):
        client().embed_token({"reports": [{"id": "not-a-guid"}]})
    with pytest.raises(Refused):
        client().start_export(REPORT, {"format": "BMP"})

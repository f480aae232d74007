"""The page Reports in a real browser: Microsoft's client frames the report and hands it the token; nothing else may."""

from __future__ import annotations

import shutil

import pytest
from powerbi_fake import REPORT
from powerbi_world import World
from served_app import headers, require, served

from smartgrid.api.ui.app import build_app

# What the web application of Power BI does with the messages of its client, as far as this page can see.
EMBEDDED = """<!doctype html><title>embedded</title><pre id="got"></pre><script>
addEventListener("message", (event) => {
  document.getElementById("got").textContent += JSON.stringify(event.data) + "\\n";
});
</script>"""


@pytest.mark.servers
def test_report_is_shown_and_gets_its_token(world: World) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import expect, sync_playwright

    with served(build_app(require("viewer"), require)) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(extra_http_headers=headers("viewer")).new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        # Microsoft's client embeds addresses of its own clouds only: their web application is answered for here.
        page.route("https://app.powerbi.com/**", lambda route: route.fulfill(content_type="text/html", body=EMBEDDED))
        page.goto(f"{url}/reports?report_id={REPORT}")
        expect(page.locator("#report")).to_have_value(REPORT)
        frame = page.frame_locator("#frame iframe")
        expect(frame.locator("#got")).to_contain_text("H4s-embed-", timeout=20_000)
        address = page.locator("#frame iframe").get_attribute("src") or ""
        assert address.startswith("https://app.powerbi.com/reportEmbed")
        assert REPORT in address
        assert page.locator("#problem").is_hidden()
        assert [text for text in told if "Content Security Policy" in text] == []

        world.set(client_secret=None)
        page.reload()
        expect(page.locator("#problem")).to_contain_text("POWERBI_CLIENT_SECRET")
        browser.close()

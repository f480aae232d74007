// Shows a Power BI report with Microsoft's client; the token is renewed before it ends.
"use strict";

const API = "api/v1/analytics/powerbi";
const RENEW_BEFORE_MS = 2 * 60 * 1000;
const models = window["powerbi-client"].models;
const service = window["powerbi-client"].service;
const factories = window["powerbi-client"].factories;
const powerbi = new service.Service(factories.hpmFactory, factories.wpmpFactory, factories.routerFactory);

const element = (id) => document.getElementById(id);
let renewal = 0;

async function ask(path) {
  const answer = await fetch(`${API}/${path}`, { credentials: "same-origin" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.detail || `HTTP ${answer.status}`);
  return body;
}

function fail(error) {
  element("state").textContent = "";
  element("problem").textContent = error.message;
  element("problem").hidden = false;
}

function renewLater(made, report) {
  clearTimeout(renewal);
  const left = new Date(made.expires_at) - Date.now() - RENEW_BEFORE_MS;
  renewal = setTimeout(async () => {
    try {
      const next = await ask(`embed-token?report_id=${encodeURIComponent(made.report_id)}`);
      await report.setAccessToken(next.token);
      renewLater(next, report);
    } catch (error) { fail(error); }
  }, Math.max(left, 10000));
}

async function show(reportId) {
  element("problem").hidden = true;
  element("state").textContent = "Loading …";
  const made = await ask(`embed-token?report_id=${encodeURIComponent(reportId)}`);
  const frame = element("frame");
  powerbi.reset(frame);
  const report = powerbi.embed(frame, {
    type: "report",
    id: made.report_id,
    embedUrl: made.embed_url,
    accessToken: made.token,
    tokenType: models.TokenType.Embed,
    permissions: models.Permissions.Read,
    settings: { panes: { filters: { expanded: false, visible: true } } },
  });
  report.off("error");
  report.on("error", (event) => fail(new Error(`Power BI: ${event.detail.message || event.detail.errorCode}`)));
  renewLater(made, report);
  const roles = made.identity_roles;
  element("state").textContent = roles ? `rows of ${roles.join(", ")}` : "";
}

async function begin() {
  const { reports } = await ask("reports");
  const select = element("report");
  select.replaceChildren(...reports.map((one) => new Option(one.name, one.id)));
  select.disabled = reports.length === 0;
  select.addEventListener("change", () => show(select.value).catch(fail));
  const wanted = new URLSearchParams(location.search).get("report_id");
  if (reports.some((one) => one.id === wanted)) select.value = wanted;
  if (reports.length) await show(select.value);
  else element("state").textContent = "The workspace has no reports.";
}

begin().catch(fail);

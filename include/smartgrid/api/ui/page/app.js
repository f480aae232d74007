"use strict";

const $ = (id) => document.getElementById(id);
const number = (value, digits = 0) => value === null || value === undefined
  ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const moment = (iso) => (iso ? iso.slice(0, 16).replace("T", " ") : "–");
const METHODS = { stable_model: "stable model", previous_version: "previous version", weekly_naive: "weekly naive" };
let figures = null;

// Text only, never HTML: names of zones and reasons come from data.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const p = (text, kind) => el("p", { class: kind }, text);
const figure = (...content) => el("div", { class: "figure" }, ...content);
const badge = (text, kind) => el("span", { class: `badge ${kind}` }, text);
const show = (id, ...content) => $(id).replaceChildren(...content);

async function get(path) {
  const answer = await fetch(`api/v1/${path}`, { credentials: "same-origin" });
  if (answer.status === 401) throw new Error("You are not logged in, or your session has ended. Log in to Airflow and reload.");
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    const detail = Array.isArray(body.detail) ? body.detail.map((one) => one.msg).join("; ") : body.detail;
    throw new Error(detail || `The server answered ${answer.status}. See the log of the API server.`);
  }
  return answer.json();
}

function showServing(serving) {
  if (serving.version === null) {
    show("serving", p("No model serves yet. Run retrain_load_forecast; a model that passes its gate is promoted.", "empty"));
  } else {
    show("serving", figure(`Version ${serving.version}`), p(serving.model_name),
      p(`${serving.action === "rollback" ? "Rolled back" : "Promoted"} ${moment(serving.decided_at)} UTC by ${serving.decided_by}`),
      serving.reason ? p(serving.reason) : "");
  }
  if (!serving.issue_time) {
    show("newest", p("No forecast yet. The first follows the first validated data.", "empty"));
    return;
  }
  const versions = serving.forecast_versions.length ? `version ${serving.forecast_versions.join(", ")}` : "no model";
  const hours = Object.entries(serving.forecast_methods)
    .map(([method, count]) => `${number(count)} zone-hours by ${METHODS[method] || method}`).join(", ");
  show("newest",
    figure(moment(serving.issue_time), serving.fallback ? badge("fallback used", "warn") : badge("by the model", "good")),
    p(`Made with ${versions}: ${hours}`),
    ...serving.fallback_reasons.map((reason) => p(reason, "warn")),
    temperatureNote(serving.temperature));
}

function temperatureNote(kind) {
  if (kind === "actual") return p("Temperature: measured values stand in for a forecast (replay); a live forecast is less exact.", "warn");
  if (kind === "forecast") return p("Temperature: day-ahead forecast, as known at issue time.");
  if (kind === "none") return p("Temperature: not used.");
  return p(kind ? `Temperature: ${kind}` : "");
}

function showValidation(validation, timezone) {
  if (validation.batch_id === null) {
    show("validation", p("Nothing validated yet. Run ingest_measurements; validation follows by itself.", "empty"));
    show("details", p("Nothing validated yet.", "empty"));
    return;
  }
  const accepted = validation.ingested_rows ? (100 * validation.accepted_rows) / validation.ingested_rows : 0;
  show("validation",
    figure(`${number(accepted, accepted === 100 ? 0 : 2)} % accepted`,
      validation.passed ? badge("passed", "good") : badge("stopped", "bad")),
    p(`${number(validation.ingested_rows)} rows in, ${number(validation.accepted_rows)} accepted, ${number(validation.rejected_rows)} rejected`),
    p(`${moment(validation.window_start)} to ${moment(validation.window_end)}`),
    p(validation.warnings.length ? `${validation.warnings.length} warning(s)` : "no warnings", validation.warnings.length ? "warn" : ""));
  const reasons = Object.entries(validation.reasons).sort((a, b) => b[1] - a[1]);
  const rejected = reasons.length
    ? table("Rejected rows by reason", ["reason", "rows"], reasons.map(([reason, rows]) => el("tr", {}, cell(reason.replaceAll("_", " ")), cell(number(rows)))))
    : p("No row was rejected.", "note");
  const warnings = validation.warnings.length
    ? el("div", {}, p("Warnings (no row rejected for them)", "note"), el("ul", {}, ...validation.warnings.map((one) => el("li", {}, one.message || one.code))))
    : p("No warnings.", "note");
  show("details",
    p(`Batch ${validation.batch_id} from ${validation.source || "an unknown source"}, ${moment(validation.window_start)} to ${moment(validation.window_end)} (${timezone}), validated ${moment(validation.validated_at)} UTC`, "note"),
    el("div", { class: "columns" }, rejected, warnings));
}

const cell = (text, attributes = {}) => el("td", attributes, text);
function table(caption, heads, rows) {
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows)));
}

function showBoard(board) {
  if (board.run_id === null) {
    show("board", p("No training yet. Trigger retrain_load_forecast; every trainer and both naive forecasts will stand here.", "empty"));
    return;
  }
  const rows = board.candidates.map((row) => {
    const name = el("td", {}, row.candidate, row.winner ? badge("winner", "good") : "");
    if (row.failure) return el("tr", {}, name, cell(row.failure, { class: "failure", colspan: "5" }));
    return el("tr", { class: row.winner ? "winner" : row.kind }, name, cell(number(row.mape_percent, 2)), cell(number(row.mase, 3)),
      cell(number(row.rmse_kw)), cell(number(row.bias_kw)), cell(number(row.rows)));
  });
  const window = `${moment(board.window_start)} to ${moment(board.window_end)}`;
  show("board",
    rows.length
      ? table(`Backtest of run ${board.run_id}, zone ${board.zone}, ${window}; lower is better`,
        ["candidate", "MAPE (%)", "MASE", "RMSE (kW)", "bias (kW)", "hours"], rows)
      : p(`Run ${board.run_id} has no scores of zone ${board.zone}.`, "empty"),
    el("p", { class: "note" }, board.gate_passed ? badge("gate passed", "good") : badge("gate not passed", "bad"), ` ${board.verdict}`),
    board.temperature === "actual"
      ? p("Scores were made with measured temperatures in place of a forecast: they flatter every model that uses temperature.", "note warn")
      : "");
}

function searchRows(searches) {
  return searches.map((one) => {
    const kind = { running: "warn", done: "good", failed: "bad" }[one.state];
    const best = one.best_error_share === null ? "–" : `${number(100 * one.best_error_share, 2)} %`;
    return el("tr", {}, el("td", {}, one.trainer, badge(one.state, kind)), cell(number(one.trials)), cell(best),
      cell(one.left_s === null ? "–" : `${number(one.left_s)} s`), cell(one.said, { class: one.state === "failed" ? "failure" : "said" }));
  });
}
const SEARCH_HEADS = ["trainer", "trials", "best error (of level)", "time left", "last word"];

function showTraining(training) {
  const { running } = training;
  show("running", running
    ? table(`Tournament ${running.run_id} is running; last word ${moment(running.said_at)} UTC`, SEARCH_HEADS, searchRows(running.searches))
    : "");
  const parts = [];
  if (training.has_picture) {
    parts.push(el("img", { src: `api/v1/training/${training.run_id}/picture`, class: "picture",
      alt: "Forecast of the winner against measurements in the last week of the test window, and the leaderboard as bars" }));
  }
  if (training.searches.length && !running) {
    parts.push(el("details", {}, el("summary", {}, "Searches of this run"), table("", SEARCH_HEADS, searchRows(training.searches))));
  }
  if (training.has_report) {
    parts.push(el("p", { class: "note" }, el("a", { href: `api/v1/training/${training.run_id}/report`, download: "" }, "Report of this run (Markdown)"),
      training.mlflow_version ? ` – registered as version ${training.mlflow_version}` : " – not registered"));
  }
  show("picture", ...parts);
  // While trainers search, figures change by the second; nobody should have to press Refresh.
  clearTimeout(showTraining.timer);
  if (running) showTraining.timer = setTimeout(() => guarded(loadTraining), 5000);
  else if (showTraining.wasRunning) guarded(loadBoard);
  showTraining.wasRunning = Boolean(running);
}
const loadTraining = async () => showTraining(await get("training"));

function showLoad() {
  const empty = !figures || (!figures.measured.length && !figures.issued.length);
  $("load-empty").hidden = !empty;
  $("chart").hidden = empty;
  $("load-empty").textContent = "No measurements yet. Run ingest_measurements, or wait for its schedule.";
  const missing = figures ? figures.missing_hours : 0;
  $("load-note").textContent = missing
    ? `${missing} hour(s) are left out of the sum because a zone has no reading.` : "";
  if (!empty) drawLoad($("chart"), figures);
}

function options(select, names, chosen) {
  if (!names.length) select.replaceChildren(el("option", { value: "" }, "none yet"));
  else select.replaceChildren(...names.map((name) => el("option", { value: name }, name === "SYSTEM" ? "SYSTEM (all zones)" : name)));
  if (names.includes(chosen)) select.value = chosen;
  select.disabled = !names.length;
}

const zoneOf = (id) => encodeURIComponent($(id).value || "SYSTEM");
async function loadForecasts() {
  figures = await get(`forecasts?zone=${zoneOf("zone")}&days=${$("days").value}`);
  showLoad();
}
const loadBoard = async () => showBoard(await get(`leaderboard?zone=${zoneOf("board-zone")}`));

async function load() {
  const grid = await get("zones");
  const kind = grid.clock === "replay" ? "replay clock: recorded data arrive as if live" : "wall clock";
  $("clock").textContent = grid.now
    ? `Data time ${moment(grid.now)}, ${zoneLabel(grid.timezone, grid.now)} – ${kind}` : `No data yet – ${kind}`;
  options($("zone"), grid.zones, $("zone").value);
  options($("board-zone"), grid.zones, $("board-zone").value);
  await Promise.all([
    loadForecasts(), loadBoard(), loadTraining(),
    get("serving").then(showServing), get("validation").then((found) => showValidation(found, grid.timezone)),
  ]);
}

async function guarded(work) {
  try {
    await work();
    $("problem").hidden = true;
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  }
}

$("zone").addEventListener("change", () => guarded(loadForecasts));
$("days").addEventListener("change", () => guarded(loadForecasts));
$("board-zone").addEventListener("change", () => guarded(loadBoard));
$("refresh").addEventListener("click", () => guarded(load));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showLoad);
guarded(load);

"use strict";
// The page Load patterns: fetches the runs and fills tables; charts are in pattern_charts.js and rule_charts.js.

const $ = (id) => document.getElementById(id);
const number = (value, digits = 0) => (value === null || value === undefined ? "–"
  : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const percent = (share, digits = 0) => (share === null || share === undefined ? "–" : `${number(100 * share, digits)} %`);
const ODD_ROWS = 25, RULE_ROWS = 60;
let patterns = null, mined = null;

// Text only, never HTML: names of zones and events come from data.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const p = (text, kind) => el("p", { class: kind }, text);
const cell = (text, attributes = {}) => el("td", attributes, text);
const show = (id, ...content) => $(id).replaceChildren(...content);
const badge = (text, kind) => el("span", { class: `badge ${kind}` }, text);
function table(caption, heads, rows) {
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows)));
}

async function get(path) {
  const answer = await fetch(`api/v1/mining/${path}`, { credentials: "same-origin" });
  if (answer.status === 401) throw new Error("You are not logged in, or your session has ended. Log in to Airflow and reload.");
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    const detail = Array.isArray(body.detail) ? body.detail.map((one) => one.msg).join("; ") : body.detail;
    throw new Error(detail || `The server answered ${answer.status}. See the log of the API server.`);
  }
  return answer.json();
}

function runOptions(select, runs, chosen) {
  const several = new Set(runs.map((run) => run.series)).size > 1;
  select.replaceChildren(...(runs.length ? runs.map((run) => el("option", { value: run.run_id },
    `to ${run.last_day}${several ? ` (${run.series})` : ""}`)) : [el("option", { value: "" }, "none yet")]));
  select.disabled = !runs.length;
  if (chosen) select.value = chosen;
}

const changes = (lines) => el("ul", { class: "changes" }, ...lines.map((line) => el("li", {}, line)));
function about(run, text) {
  const report = run.has_report ? el("a", { href: `api/v1/mining/${run.run_id}/report`, download: "" }, "Report (Markdown)") : "";
  const pictures = run.pictures.map((name) => el("a", { href: `api/v1/mining/${run.run_id}/pictures/${name}`, target: "_blank", rel: "noopener" }, name.replaceAll("_", " ")));
  return el("div", {}, p(text, "note"), el("p", { class: "note" }, report, ...(pictures.length ? [" – pictures: ", ...pictures.flatMap((one, i) => (i ? [", ", one] : [one]))] : [])));
}

function showPatterns() {
  const { run } = patterns;
  for (const id of ["shapes-panel", "zones-panel", "calendar-panel"]) $(id).hidden = !run;
  $("patterns-empty").hidden = Boolean(run);
  runOptions($("pattern-run"), patterns.runs, run?.run_id);
  if (!run) {
    $("patterns-empty").textContent = "No load patterns yet. Trigger mine_load_patterns, or wait for Monday.";
    show("patterns-about"); show("patterns-changes");
    return;
  }
  const { summary } = run, twins = Object.entries(summary.same_readings);
  show("patterns-about", about(run,
    `${run.first_day} to ${run.last_day} (${run.timezone}): ${number(summary.zone_days)} whole zone-days of ${patterns.zones.length} zones in ${summary.k} clusters ` +
    `(silhouette ${number(summary.silhouette, 2)}, stability ${number(summary.stability, 2)}); ${number(summary.odd_days)} odd days; ` +
    `${number(summary.left_out.length)} zone-days left out for missing hours, ${number(summary.bridged_days)} bridged.`),
  ...twins.map(([zone, same]) => p(`${zone} carries the readings of ${same}: one meter mapped twice?`, "note warn")));
  show("patterns-changes", el("h3", {}, "What changed"), changes(run.changes_text));
  drawShapes($("shapes"), patterns.clusters, summary.zone_days);
  drawZones($("zones"), patterns.zones, patterns.clusters, summary.recent_days);
  drawCurve($("curve"), summary);
  const zone = $("odd-zone").value;
  const names = patterns.zones.map((one) => one.zone);
  $("odd-zone").replaceChildren(el("option", { value: "" }, "all"), ...names.map((name) => el("option", { value: name }, name)));
  if (names.includes(zone)) $("odd-zone").value = zone;
  showOdd();
}

function showOdd() {
  const zone = $("odd-zone").value;
  drawCalendar($("calendar"), patterns, zone, (name, day) => guarded(() => showDay(name, day)));
  const odd = patterns.odd_days.filter((one) => !zone || one.zone === zone).reverse();
  if (!odd.length) return show("odd-table", p("No odd day.", "empty"));
  const rows = odd.slice(0, ODD_ROWS).map((one) => {
    const link = el("a", { href: "#calendar-title" }, one.day);
    link.addEventListener("click", () => guarded(() => showDay(one.zone, one.day)));
    return el("tr", {}, el("td", {}, link), cell(one.zone), cell(percent(one.distance)), cell(one.text, { class: "text" }));
  });
  const kept = odd.length > ODD_ROWS ? `, the newest ${ODD_ROWS} of ${odd.length}` : "";
  show("odd-table", table(`Odd days, newest first${kept}`, ["day", "zone", "difference (rms)", "which hours, which way, how far"], rows));
}

async function showDay(zone, day) {
  const found = await get(`patterns/${patterns.run.run_id}/days/${encodeURIComponent(zone)}/${day}`);
  $("day").hidden = false;
  $("day-title").textContent = `${zone}, ${new Date(`${day}T00:00Z`).toLocaleDateString("en", { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" })}`;
  drawDay($("day-chart"), found);
  const rows = found.causes.map((one) => el("tr", {}, cell(`${String(one.begin_hour).padStart(2, "0")}–${String(one.end_hour).padStart(2, "0")} h`),
    cell(number(one.measured_kw)), cell(number(one.usual_kw)), cell(`${one.difference_kw > 0 ? "+" : "−"}${number(Math.abs(one.difference_kw))}`), cell(`${one.difference_kw > 0 ? "+" : "−"}${number(Math.abs(one.difference_percent))} %`)));
  show("day-text", rows.length ? table("Hours that differ most (means of the hours)", ["hours", "measured (kW)", "usual (kW)", "difference (kW)", "of usual"], rows) : p(found.text, "note"));
}

const chosenRules = () => {
  const wanted = $("rule-filter").value;
  return mined.rules.filter((rule) => (wanted === "reported" ? rule.reported : rule.relation === wanted));
};

function showRules() {
  const { run } = mined;
  runOptions($("rule-run"), mined.runs, run?.run_id);
  $("rules-empty").hidden = Boolean(run);
  $("rule-charts").hidden = !run;
  if (!run) {
    $("rules-empty").textContent = "No event rules yet. Trigger mine_event_rules, or wait for Monday.";
    for (const id of ["rules-about", "rules-changes", "rule-table", "event-words"]) show(id);
    return;
  }
  const { summary } = run;
  const window = summary.window_hours === 24 ? "days" : `windows of ${summary.window_hours} h`;
  const word = summary.place === "zone" ? `zone-${window}` : window;
  show("rules-about", about(run,
    `${run.first_day} to ${run.last_day} (${run.timezone}): ${number(summary.transactions)} ${word}, ${number(summary.empty_transactions)} without an event. ` +
    `${number(summary.rules_tried)} rules tried, ${number(summary.reported)} reported: lift above 1, q at most ${summary.max_q_value}, on at least ${summary.min_days} days, ` +
    `not true by construction (${number(summary.relations["by construction"] || 0)} are).`),
  summary.partial ? p(`Partial result: ${summary.partial_reason}`, "note warn") : "",
  p("Zones share the weather of a day, so q values are too small; look at the number of days.", "note"));
  show("rules-changes", el("h3", {}, "What changed"), changes(run.changes_text));
  const rules = chosenRules();
  $("rule-charts").hidden = !rules.length;
  if (rules.length) {
    drawScatter($("scatter"), rules, word);
    drawGraph($("graph"), rules);
  }
  const rows = rules.slice(0, RULE_ROWS).map((rule, i) => el("tr", {}, cell(`${i + 1}. ${rule.antecedent.join(" + ")}`), cell(rule.consequent.join(" + ")),
    cell(percent(rule.confidence)), cell(`${number(rule.count)} of ${number(Math.round(rule.count / rule.confidence))}`), cell(number(rule.lift, 2)), cell(percent(rule.support, 2)),
    cell(rule.q_value.toExponential(1)), cell(number(rule.days)), cell(number(rule.places)), el("td", { class: "text" }, badge(rule.relation, rule.relation === "new" ? "good" : "warn"), rule.why ? ` ${rule.why}` : "")));
  const kept = rules.length > RULE_ROWS ? `the first ${RULE_ROWS} of ${rules.length}` : `${rules.length}`;
  show("rule-table", rows.length ? table(`Rules (${kept}), strongest first`, ["where", "also", "confidence", "times", "lift", "support", "q value", "days", "zones", "remark"], rows)
    : p("No rule of this kind.", "empty"));
  const words = Object.entries(summary.events).map(([event, count]) => el("tr", {}, cell(event), cell(number(count)), cell(percent(count / summary.transactions, 1)),
    cell(mined.meanings[event.split(":")[0]] || "from the outage log", { class: "text" })));
  show("event-words", el("details", {}, el("summary", {}, "What the events mean, and how often they are"), table("", ["event", word, "share", "meaning"], words)));
}

async function loadPatterns(run) { patterns = await get(run ? `patterns?run=${run}` : "patterns"); $("day").hidden = true; showPatterns(); }
async function loadRules(run) { mined = await get(run ? `rules?run=${run}` : "rules"); showRules(); }
async function load() {
  await Promise.all([loadPatterns(), loadRules()]);
  const newest = patterns.run || mined.run;
  $("clock").textContent = newest ? `Mined up to ${newest.last_day}, ${newest.timezone}` : "Nothing mined yet";
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

$("pattern-run").addEventListener("change", () => guarded(() => loadPatterns($("pattern-run").value)));
$("rule-run").addEventListener("change", () => guarded(() => loadRules($("rule-run").value)));
$("rule-filter").addEventListener("change", () => guarded(showRules));
$("odd-zone").addEventListener("change", () => guarded(showOdd));
$("refresh").addEventListener("click", () => guarded(load));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => guarded(() => { showPatterns(); showRules(); }));
guarded(load);

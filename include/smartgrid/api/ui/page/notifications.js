"use strict";

const API = "api/v1/notifications";
const $ = (id) => document.getElementById(id);
const moment = (iso) => (iso ? iso.slice(0, 19).replace("T", " ") : "–");
let me = { name: "", role: "viewer" };

// Text only, never HTML: subjects and reasons come from data.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const p = (text, kind) => el("p", { class: kind }, text);
const badge = (text, kind) => el("span", { class: `badge ${kind}` }, text);
const show = (id, ...content) => $(id).replaceChildren(...content);
const cell = (content, kind) => el("td", { class: kind }, content);
const link = (address, text) => (/^https?:\/\//.test(address || "") ? el("a", { href: address, rel: "noreferrer" }, text) : text);
function table(caption, heads, rows) {
  return el("div", { class: "scroll" }, el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads.map(([head, kind]) => el("th", { scope: "col", class: kind }, head)))),
    el("tbody", {}, ...rows)));
}
const SEVERITY = { critical: "bad", high: "bad", medium: "warn", low: "soft" };
const STATE = { delivered: "good", dead: "bad", ambiguous: "warn", pending: "warn", leased: "warn", cancelled: "soft" };
const severity = (text) => badge(text, SEVERITY[text] || "soft");
const mayOperate = () => me.role !== "viewer";

async function call(path, body) {
  const options = { credentials: "same-origin" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }
  return answered(await fetch(`${API}${path}`, options));
}

async function answered(answer) {
  if (answer.status === 401) throw new Error("You are not logged in, or your session has ended. Log in to Airflow and reload.");
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const body = await answer.json().catch(() => ({}));
  const detail = Array.isArray(body.detail) ? body.detail.map((one) => `${one.loc.at(-1)}: ${one.msg}`).join("; ") : body.detail;
  throw new Error(detail || `The server answered ${answer.status}. See the log of the API server.`);
}

async function guarded(work, done) {
  $("done").hidden = true;
  try {
    await work();
    $("problem").hidden = true;
    if (done) { $("done").textContent = done; $("done").hidden = false; }
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
    $("problem").scrollIntoView({ block: "nearest" });
  }
}

// Buttons of what a viewer may not do are left out; the server decides all the same.
function action(text, work, done) {
  if (!mayOperate()) return "";
  const button = el("button", { type: "button" }, text);
  button.addEventListener("click", async () => {
    button.disabled = true;
    await guarded(async () => { await work(); await load(); }, done);
    button.disabled = false;
  });
  return button;
}

function showCounts(counts) {
  show("counts", ...Object.entries(counts).map(([state, count]) => el("article", { class: "tile" },
    el("h2", {}, state), el("div", { class: `figure ${state === "dead" && count ? "bad" : ""}` }, count.toLocaleString("en")))));
}

function incidentState(one) {
  if (one.closed_at) return `${one.close_reason} ${moment(one.closed_at)}`;
  if (one.acknowledged_at) return `acknowledged by ${one.acknowledged_by}`;
  if (one.next_escalation_at) return `escalates ${moment(one.next_escalation_at)}`;
  return one.next_message_at ? `next message ${moment(one.next_message_at)}` : "open";
}

async function loadIncidents() {
  const closed = $("incident-state").value === "closed";
  const { incidents } = await call(`/incidents?closed=${closed}`);
  const wanted = new URLSearchParams(location.search).get("incident");
  const rows = incidents.map((one) => el("tr", { class: String(one.incident_id) === wanted ? "winner" : undefined },
    cell(one.incident_id), cell(severity(one.severity), "word"), cell(one.subject || one.place || one.rule, "text"),
    cell(one.receiver, "word"), cell(moment(one.opened_at), "time"), cell(one.events), cell(one.messages),
    cell(incidentState(one), "text"),
    el("td", {},
      one.closed_at || one.acknowledged_at ? "" : action("Acknowledge", () => call(`/incidents/${one.incident_id}/acknowledge`, {}), "Acknowledged: nobody else is told until it becomes worse."),
      one.closed_at ? "" : action("Close", () => call(`/incidents/${one.incident_id}/close`, {}), "Closed."))));
  show("incidents", rows.length
    ? table(closed ? "Over, newest first" : "Open: each is told as one trouble; times in UTC",
      [["no."], ["severity", "word"], ["what", "text"], ["receiver", "word"], ["since", "time"], ["events"], ["messages"], ["state", "text"], [""]], rows)
    : p(closed ? "Nothing has been closed yet." : "Nothing is open.", "empty"));
}

const deliveries = { rows: [], next: null };
async function loadOutbox(older = false) {
  const query = new URLSearchParams({ limit: "25" });
  for (const name of ["state", "channel"]) if ($(name).value) query.set(name, $(name).value);
  if (older && deliveries.next) query.set("before", deliveries.next);
  const page = await call(`?${query}`);
  deliveries.rows = older ? deliveries.rows.concat(page.deliveries) : page.deliveries;
  deliveries.next = page.next_before;
  showCounts(page.counts);
  const rows = deliveries.rows.map((one) => {
    const open = el("button", { type: "button" }, "History");
    open.addEventListener("click", () => guarded(() => loadOne(one.notification_id)));
    return el("tr", {}, cell(moment(one.created_at), "time"), cell(severity(one.priority), "word"), cell(one.subject || one.message, "text"),
      cell(`${one.channel}${one.platform ? ` ${one.platform}` : ""}`, "word"), cell(one.recipient, "text"),
      cell(badge(one.state, STATE[one.state] || "soft"), "word"), cell(one.attempts), cell(one.reason || "", "text"), el("td", {}, open));
  });
  show("outbox", rows.length
    ? table("Deliveries, newest first; times in UTC",
      [["made", "time"], ["priority", "word"], ["message", "text"], ["channel", "word"], ["recipient", "text"], ["state", "word"], ["attempts"], ["reason", "text"], [""]], rows)
    : p("No deliveries yet. Register a webhook endpoint or subscribe this browser below; messages follow the routing rules.", "empty"));
  $("more").hidden = !page.next_before;
}

async function loadOne(id) {
  const one = await call(`/${id}`);
  const parts = one.deliveries.map((delivery) => el("div", {},
    el("h3", {}, `${delivery.channel} to ${delivery.recipient} `, badge(delivery.state, STATE[delivery.state] || "soft")),
    el("dl", {}, el("dt", {}, "id"), el("dd", {}, delivery.delivery_id), el("dt", {}, "due"), el("dd", {}, `${moment(delivery.due_at)}, worthless from ${moment(delivery.expires_at)}`),
      ...(delivery.provider_id ? [el("dt", {}, "provider"), el("dd", {}, `${delivery.provider_id} ${delivery.provider_status || ""}`)] : []),
      ...(delivery.reason ? [el("dt", {}, "reason"), el("dd", {}, delivery.reason)] : [])),
    delivery.history.length
      ? table("Attempts", [["number"], ["at", "time"], ["took"], ["outcome", "text"], ["status"], ["detail", "text"]],
        delivery.history.map((attempt) => el("tr", {}, cell(attempt.number), cell(moment(attempt.started_at), "time"), cell(`${attempt.latency_ms} ms`),
          cell(attempt.outcome, "text"), cell(attempt.status === null ? "–" : attempt.status), cell(attempt.detail, "text"))))
      : p("Not tried yet.", "note")));
  show("one", el("h3", {}, one.subject || "(no subject)"), p(`${one.source}, ${moment(one.created_at)} UTC, by ${one.created_by}`, "note"),
    el("pre", {}, one.message), ...parts);
  $("one").scrollIntoView({ block: "nearest" });
}

async function loadDead() {
  const found = await call("/dead-letters?limit=50");
  const rows = found.dead_letters.map((one) => el("tr", {}, cell(moment(one.finished_at), "time"), cell(one.channel, "word"), cell(one.recipient, "text"),
    cell(one.attempts), cell(one.reason || "", "text"), el("td", {}, action("Replay", () => call(`/dead-letters/${one.delivery_id}/replay`, {}), "Due again, with the same id."))));
  show("dead", rows.length
    ? table("What could not be delivered, newest first", [["died", "time"], ["channel", "word"], ["recipient", "text"], ["attempts"], ["reason", "text"], [""]], rows)
    : p("No dead letters.", "empty"));
  $("replay-all").disabled = !rows.length;
}

async function loadSilences() {
  const { silences } = await call("/silences");
  const rows = silences.map((one) => el("tr", {}, cell(badge(one.state, one.state === "in force" ? "warn" : "soft"), "text"), cell(one.says, "text"), cell(one.reason, "text"),
    cell(one.created_by, "text"), cell(moment(one.expires_at), "time"),
    el("td", {}, ["in force", "planned"].includes(one.state) ? action("End", () => call(`/silences/${one.silence_id}/end`, {}), "The silence has ended.") : "")));
  show("silences", rows.length
    ? table("In force, planned, and of the last 30 days", [["state", "text"], ["what", "text"], ["reason", "text"], ["by", "text"], ["until (UTC)", "time"], [""]], rows)
    : p("No silences.", "empty"));
}

const record = { rows: [], next: null };
async function loadEvents(older = false) {
  const query = new URLSearchParams({ limit: "15" });
  if ($("event-severity").value) query.set("severity", $("event-severity").value);
  if (older && record.next) query.set("before", record.next);
  const page = await call(`/events?${query}`);
  record.rows = older ? record.rows.concat(page.events) : page.events;
  record.next = page.next_before;
  const rows = record.rows.map((one) => el("tr", {}, cell(moment(one.recorded_at), "time"), cell(one.resolves ? badge("resolves", "good") : severity(one.severity), "word"),
    cell(one.kind.replaceAll("_", " "), "word"), cell(link(one.link, one.subject), "text"), cell(one.zones.slice(0, 3).join(", ") + (one.zones.length > 3 ? ` and ${one.zones.length - 3} more` : ""), "text"),
    cell(one.decisions.length ? one.decisions.map((made) => `${made.receiver || "nobody"}: ${made.outcome}${made.detail ? ` (${made.detail})` : ""}`).join("; ") : "not routed yet", "text")));
  show("events", rows.length
    ? table("Everything that happened, and who was told of it", [["at (UTC)", "time"], ["severity", "word"], ["kind", "word"], ["what", "text"], ["zones", "text"], ["who was told", "text"]], rows)
    : p("Nothing has happened yet.", "empty"));
  $("more-events").hidden = !page.next_before;
}

const words = (text) => text.split(",").map((word) => word.trim()).filter(Boolean);
async function addSilence(form) {
  const given = Object.fromEntries(new FormData(form));
  const matcher = {};
  for (const name of ["kind", "substation", "team", "severity"]) if (given[name].trim()) matcher[name] = [given[name].trim()];
  if (given.zone.trim()) matcher.zone = words(given.zone);
  await call("/silences", { matcher, reason: given.reason, hours: Number(given.hours) });
  form.reset();
  await loadSilences();
}

async function showPreview(form) {
  const given = Object.fromEntries(new FormData(form));
  let data;
  try { data = JSON.parse(given.data || "{}"); } catch { throw new Error("The facts are not JSON."); }
  const found = await call("/preview", { kind: given.kind, severity: given.severity, subject: given.subject, zones: words(given.zones), team: given.team || null, data });
  const receivers = found.receivers.map((one) => el("li", {}, `${one.receiver} by rule ${one.rule}, one message for ${one.group}: ${one.targets.join(", ") || "nobody is registered"}${one.held_until ? `, held until ${moment(one.held_until)} (quiet hours)` : ""}`));
  show("preview", found.why_not ? p(`Nobody is told: ${found.why_not}`, "note warn") : el("ul", {}, ...receivers),
    el("h3", {}, found.subject), el("pre", {}, found.text), p(`SMS and push: ${found.short}`, "note"));
}

async function loadSubscriptions() {
  const { subscriptions } = await call("/subscriptions");
  const rows = subscriptions.map((one) => {
    const remove = el("button", { type: "button" }, "Remove");
    remove.addEventListener("click", () => guarded(async () => { await forget(one.subscription_id); await loadSubscriptions(); }, "Removed."));
    return el("tr", {}, cell(moment(one.created_at), "time"), cell(one.platform, "text"), cell(one.label, "text"), cell(one.owner, "text"),
      cell(one.disabled_at ? `disabled: ${one.disabled_reason}` : "active", "text"), el("td", {}, remove));
  });
  show("subscriptions", rows.length ? table("Subscriptions", [["since", "time"], ["platform", "text"], ["what", "text"], ["whose", "text"], ["state", "text"], [""]], rows) : "");
  const here = await currentSubscription().catch(() => null);
  $("unsubscribe").hidden = !here;
  $("push-state").textContent = here ? "This browser is subscribed." : "This browser is not subscribed.";
}
const forget = async (id) => answered(await fetch(`${API}/subscriptions/${id}`, { method: "DELETE", credentials: "same-origin" }));

async function subscribe() {
  const { public_key: key } = await call("/subscriptions/public-key");
  const made = (await subscribeBrowser(key)).toJSON();
  const label = navigator.userAgent.match(/(Firefox|Edg|Chrome|Safari)\/[\d.]+/)?.[0] || "browser";
  const known = await call("/subscriptions", { platform: "webpush", subscription: { endpoint: made.endpoint, keys: { p256dh: made.keys.p256dh, auth: made.keys.auth } }, label });
  localStorage.setItem("smartgrid-subscription", known.subscription_id);
  await loadSubscriptions();
}

async function unsubscribe() {
  const here = await currentSubscription();
  if (here) await here.unsubscribe();
  const id = localStorage.getItem("smartgrid-subscription");
  if (id) await forget(id);
  localStorage.removeItem("smartgrid-subscription");
  await loadSubscriptions();
}

async function load() {
  me = await call("/me");
  for (const node of document.querySelectorAll("[data-role=operator]")) node.hidden = !mayOperate();
  $("clock").textContent = `${me.name}, ${me.role}; ${moment(new Date().toISOString())} UTC`;
  await Promise.all([loadIncidents(), loadOutbox(), loadDead(), loadSilences(), loadEvents(), loadSubscriptions()]);
}

$("refresh").addEventListener("click", () => guarded(load));
$("incident-state").addEventListener("change", () => guarded(loadIncidents));
for (const id of ["state", "channel"]) $(id).addEventListener("change", () => guarded(() => loadOutbox()));
$("event-severity").addEventListener("change", () => guarded(() => loadEvents()));
$("more").addEventListener("click", () => guarded(() => loadOutbox(true)));
$("more-events").addEventListener("click", () => guarded(() => loadEvents(true)));
$("replay-all").addEventListener("click", () => guarded(async () => {
  await call("/dead-letters/replay", { died_before: new Date().toISOString() });
  await load();
}, "Those that were surely not sent are due again."));
$("subscribe").addEventListener("click", () => guarded(subscribe, "Subscribed."));
$("unsubscribe").addEventListener("click", () => guarded(unsubscribe, "Unsubscribed."));
$("new-silence").addEventListener("submit", (event) => { event.preventDefault(); guarded(() => addSilence(event.target), "Silenced."); });
$("new-preview").addEventListener("submit", (event) => { event.preventDefault(); guarded(() => showPreview(event.target)); });
guarded(load);

"use strict";
// Charts of load patterns. Days and hours are local to the grid, as the API gives them.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// Apart for colour-blind readers (Okabe and Ito 2008); a letter keeps its colour from run to run, here and in the PNGs.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#8C564B", "#B2A100", "#332288"];
const colourOf = (letter) => COLOURS[([...letter].reduce((sum, one) => 26 * sum + one.charCodeAt(0) - 64, 0) - 1) % COLOURS.length];
const HOURS = [...Array(24).keys()].map((hour) => hour + 0.5);
const hourText = (hour) => `${String(Math.floor(hour)).padStart(2, "0")}:00–${String(Math.floor(hour) + 1).padStart(2, "0")}:00`;
const transparent = (colour) => `${colour}33`;
const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

function layout(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 58, r: 12, t: 26, b: 46 },
    font: { color: css("--ink"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: css("--ink") },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") }, align: "left" },
    ...more,
  };
}
const axis = (more) => ({ gridcolor: css("--line"), linecolor: css("--line"), zeroline: false, ...more });

function drawShapes(element, clusters, total) {
  const columns = Math.max(1, Math.min(clusters.length, element.clientWidth < 700 ? 2 : 4));
  const rows = Math.ceil(clusters.length / columns);
  element.style.height = `${40 + 235 * rows}px`;
  const traces = [], annotations = [], axes = {};
  const top = Math.max(...clusters.flatMap((one) => one.shape_high)), low = Math.min(...clusters.flatMap((one) => one.shape_low));
  clusters.forEach((one, i) => {
    const n = i ? i + 1 : "", column = i % columns, row = Math.floor(i / columns), colour = colourOf(one.cluster);
    const width = 1 / columns, height = 1 / rows;
    const x = [column * width + (column ? 0.035 : 0), (column + 1) * width - 0.005];
    const y = [1 - (row + 1) * height + (rows > 1 ? 0.22 : 0.13) / rows, 1 - row * height - 0.15 / rows];
    axes[`xaxis${n}`] = axis({ domain: x, anchor: `y${n}`, range: [0, 24], tickvals: [0, 6, 12, 18, 24], title: { text: "local hour", standoff: 4 } });
    axes[`yaxis${n}`] = axis({ domain: y, anchor: `x${n}`, range: [low - 0.05, top + 0.05], title: { text: column ? "" : "load / mean of the day" } });
    const shared = { x: HOURS, xaxis: `x${n}`, yaxis: `y${n}`, type: "scatter", mode: "lines", showlegend: false };
    traces.push(
      { ...shared, y: one.shape_low, line: { width: 0 }, hoverinfo: "skip" },
      { ...shared, y: one.shape_high, line: { width: 0 }, fill: "tonexty", fillcolor: transparent(colour), hoverinfo: "skip" },
      { ...shared, y: one.shape, line: { color: colour, width: 2.5 },
        customdata: one.centroid_kw.map((kw, hour) => [hourText(hour), one.shape_low[hour], one.shape_high[hour]]),
        hovertemplate: `<b>${one.cluster}</b> %{customdata[0]}<br>%{y:.2f} × mean (80 % of days: %{customdata[1]:.2f} to %{customdata[2]:.2f})<extra></extra>` });
    annotations.push({ text: `<b>${one.cluster}</b>: ${one.name.split(",")[0]}<br>${one.size.toLocaleString("en")} zone-days (${Math.round((100 * one.size) / total)} %)${one.matched ? "" : " – new"}`,
      x: (x[0] + x[1]) / 2, y: y[1], xref: "paper", yref: "paper", xanchor: "center", yanchor: "bottom", showarrow: false, font: { size: 12, color: css("--ink") } });
  });
  Plotly.react(element, traces, layout({ ...axes, annotations, margin: { l: 58, r: 12, t: 12, b: 30 } }), CONFIG);
}

function drawCurve(element, summary) {
  const curve = summary.curve || [];
  if (curve.length < 2) {
    Plotly.purge(element);
    element.textContent = `k = ${summary.k} was given; silhouette ${summary.silhouette?.toFixed(2) ?? "–"}, stability ${summary.stability?.toFixed(2) ?? "–"}.`;
    return;
  }
  const line = (name, label, colour, symbol) => ({
    type: "scatter", mode: "lines+markers", name: label, x: curve.map((one) => one.k), y: curve.map((one) => one[name]),
    line: { color: colour }, marker: { size: 8, symbol }, hovertemplate: `k = %{x}: ${label.split(" ")[0]} %{y:.3f}<extra></extra>`,
  });
  Plotly.react(element, [line("silhouette", "silhouette (higher: better apart)", COLOURS[0], "circle"),
    line("stability", "stability (adjusted Rand, resampled)", COLOURS[1], "square")],
  layout({
    xaxis: axis({ title: { text: "number of clusters k" }, dtick: 1, range: [curve[0].k - 0.6, curve[curve.length - 1].k + 0.6] }), yaxis: axis({ title: { text: "score (1 is best)" }, range: [0, 1.12] }),
    legend: { orientation: "h", y: -0.2, x: 0 }, margin: { l: 52, r: 12, t: 12, b: 40 },
    shapes: [
      { type: "rect", x0: summary.k - 0.2, x1: summary.k + 0.2, yref: "paper", y0: 0, y1: 1, fillcolor: transparent(COLOURS[2]), line: { width: 0 }, layer: "below" },
      { type: "line", xref: "paper", x0: 0, x1: 1, y0: 0.6, y1: 0.6, line: { color: css("--soft"), width: 1, dash: "dash" } },
    ],
    annotations: [
      { x: summary.k, y: 1.1, yanchor: "top", text: `${summary.k_kept ? "kept" : "chosen"}: ${summary.k}`, showarrow: false, font: { color: COLOURS[2] } },
      { xref: "paper", x: 1, y: 0.6, xanchor: "right", yanchor: "bottom", text: "least stability", showarrow: false, font: { size: 11, color: css("--soft") } },
    ],
  }), CONFIG);
}

function drawZones(element, zones, clusters, recentDays) {
  element.style.height = `${Math.max(330, 70 + 19 * zones.length)}px`;
  const names = zones.map((one) => (one.same_as ? `${one.zone} (= ${one.same_as})` : one.zone));
  const traces = clusters.map(({ cluster, name }) => ({
    type: "bar", orientation: "h", name: cluster, y: names, marker: { color: colourOf(cluster) },
    x: zones.map((one) => 100 * (one.recent_shares[cluster] || 0)),
    customdata: zones.map((one) => [100 * (one.shares[cluster] || 0), one.cluster]),
    hovertemplate: `<b>%{y}</b>, now in %{customdata[1]}<br>${cluster} (${name.split(",")[0]}): %{x:.0f} % of the last ${recentDays} days, %{customdata[0]:.0f} % of the window<extra></extra>`,
  }));
  Plotly.react(element, traces, layout({
    barmode: "stack", bargap: 0.2, margin: { l: 84, r: 12, t: 12, b: 40 },
    xaxis: axis({ title: { text: `share of the last ${recentDays} days (%)` }, range: [0, 100] }),
    yaxis: axis({ autorange: "reversed", tickmode: "array", tickvals: names, type: "category" }),
    legend: { orientation: "v", traceorder: "normal", title: { text: "cluster" } },
  }), CONFIG);
}

function drawCalendar(element, patterns, zone, chosen) {
  const { run, odd_days: all } = patterns;
  const zones = patterns.zones.map((one) => one.zone).filter((name) => !zone || name === zone);
  const first = Date.parse(`${run.first_day}T00:00Z`), count = Math.round((Date.parse(`${run.last_day}T00:00Z`) - first) / 864e5) + 1;
  const days = [...Array(count).keys()].map((i) => new Date(first + i * 864e5).toISOString().slice(0, 10));
  const place = new Map(zones.map((name, row) => [name, row]));
  const empty = () => zones.map(() => Array(count).fill(null));
  const usual = zones.map(() => Array(count).fill(1)), odd = empty(), text = empty();
  const column = (day) => Math.round((Date.parse(`${day}T00:00Z`) - first) / 864e5);
  for (const [name, day] of run.summary.left_out) if (place.has(name)) usual[place.get(name)][column(day)] = null;
  for (const one of all) {
    if (!place.has(one.zone)) continue;
    odd[place.get(one.zone)][column(one.day)] = (one.more ? 100 : -100) * one.distance;
    text[place.get(one.zone)][column(one.day)] = one.text.replaceAll("; ", "<br>");
  }
  element.style.height = `${110 + Math.max(150, 20 * zones.length)}px`;
  const shared = { type: "heatmap", x: days, y: zones, ygap: 1 };
  Plotly.react(element, [
    { ...shared, z: usual, showscale: false, colorscale: [[0, css("--line")], [1, css("--line")]], opacity: 0.45, hoverinfo: "skip" },
    { ...shared, z: odd, text, zmin: -100, zmax: 100, zmid: 0, colorscale: [[0, "#053061"], [0.25, "#2166ac"], [0.49, "#92c5de"], [0.51, "#f4a582"], [0.75, "#b2182b"], [1, "#67001f"]],
      colorbar: { title: { text: "rms difference<br>(% of usual load)", side: "top", font: { size: 11 } }, thickness: 12, tickvals: [-100, -50, 0, 50, 100], ticktext: ["≥ 100 less", "50 less", "0", "50 more", "≥ 100 more"] },
      hovertemplate: "<b>%{y}</b>, %{x|%a %d %b %Y}<br>%{text}<extra></extra>", hoverongaps: false },
  ], layout({
    margin: { l: 62, r: 12, t: 30, b: 60 },
    xaxis: axis({ type: "date", title: { text: "day; a gap: hours are missing, not judged" }, showgrid: false, tickformat: "%d %b %Y" }),
    yaxis: axis({ autorange: "reversed", type: "category", tickmode: "array", tickvals: zones, showgrid: false }),
  }), CONFIG);
  element.removeAllListeners?.("plotly_click");
  element.on("plotly_click", (event) => {
    const point = event.points.find((one) => one.curveNumber === 1 && one.z !== null);
    if (point) chosen(String(point.y), String(point.x).slice(0, 10));
  });
}

function drawDay(element, day) {
  const big = Math.max(...day.load_kw, ...day.usual_kw) >= 20000, unit = big ? "MW" : "kW", divisor = big ? 1000 : 1;
  const trace = (name, values, line) => ({
    type: "scatter", mode: "lines", name, x: HOURS, y: values.map((kw) => kw / divisor), line,
    customdata: HOURS.map(hourText), hovertemplate: `%{customdata} ${name}: %{y:,.1f} ${unit}<extra></extra>`,
  });
  Plotly.react(element, [trace("usual", day.usual_kw, { color: css("--soft"), dash: "dash", width: 2 }),
    { ...trace("measured", day.load_kw, { color: COLOURS[1], width: 2.5 }), fill: "tonexty", fillcolor: transparent(COLOURS[1]) }],
  layout({ xaxis: axis({ title: { text: "local hour" }, range: [0, 24], tickvals: [0, 6, 12, 18, 24] }),
    yaxis: axis({ title: { text: `load (${unit})` }, rangemode: "tozero" }), legend: { orientation: "h", y: 1.12, x: 0 } }), CONFIG);
}

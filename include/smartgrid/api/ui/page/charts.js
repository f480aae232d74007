"use strict";
// The load chart. Times arrive with the grid's offset; the first 19 characters are its local time, which is what the
// axis shows: Plotly itself knows no time zones.

const localTime = (iso) => iso.slice(0, 19);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// POSIX names such as Etc/GMT+5 have the sign the other way round: always say the offset too.
const zoneLabel = (name, now) => (now ? `${name} (UTC${now.endsWith("Z") ? "" : now.slice(-6)})` : name);

function scale(points) {
  const peak = Math.max(0, ...points.map((point) => point.load_kw));
  return peak >= 20000 ? { divisor: 1000, unit: "MW" } : { divisor: 1, unit: "kW" };
}

function trace(name, points, unit, line, extra) {
  return Object.assign({
    type: "scatter", mode: "lines", name, line,
    x: points.map((point) => localTime(point.time)),
    y: points.map((point) => point.load_kw / unit.divisor),
    hovertemplate: `%{y:,.1f} ${unit.unit}<extra>${name}</extra>`,
  }, extra);
}

// An hour without a reading breaks the line: a straight line across a gap would be an invented measurement.
function withGaps(points) {
  const steps = points.slice(1).map((point, i) => Date.parse(point.time) - Date.parse(points[i].time));
  const usual = Math.min(...steps);
  return points.flatMap((point, i) =>
    i > 0 && steps[i - 1] > 1.5 * usual
      ? [{ time: points[i - 1].time, load_kw: null }, point]
      : [point]);
}

function describe(issue) {
  const version = issue.model_versions.length ? `version ${issue.model_versions.join(", ")}` : "no model";
  return `issued ${localTime(issue.issue_time).replace("T", " ").slice(0, 16)}, ${version}`;
}

// Eight in ten hours should lie between the two lines; they belong to the newest forecast alone.
function bandTraces(issue, unit, color) {
  const border = (key, extra) => Object.assign({
    type: "scatter", mode: "lines", line: { color, width: 0 }, hoverinfo: "skip", showlegend: false,
    x: issue.band.map((one) => localTime(one.time)), y: issue.band.map((one) => one[key] / unit.divisor),
  }, extra);
  return [
    border("load_kw_q10", {}),
    border("load_kw_q90", { name: "10 % to 90 %", fill: "tonexty", showlegend: true, opacity: 0.5 }),
  ];
}

function drawLoad(element, figures) {
  const all = [...figures.measured, ...figures.issued.flatMap((issue) => issue.points)];
  const unit = scale(all);
  const [forecast, fallback] = [css("--forecast"), css("--warn")];
  const newest = figures.issued.length - 1;
  const named = new Set();
  const traces = [
    trace("weekly naive", withGaps(figures.weekly_naive), unit, { color: css("--soft"), width: 1, dash: "dot" }),
    trace("measured", withGaps(figures.measured), unit, { color: css("--ink"), width: 2 }),
  ];
  if (newest >= 0 && figures.issued[newest].band.length) {
    traces.push(...bandTraces(figures.issued[newest], unit, forecast));
  }
  figures.issued.forEach((issue, i) => {
    const isFallback = Object.keys(issue.methods).some((method) => method !== "stable_model");
    const last = i === newest;
    const name = (last ? "newest forecast" : "earlier forecasts") + (isFallback ? " (fallback)" : "");
    traces.push(trace(name, issue.points, unit,
      { color: isFallback ? fallback : forecast, width: last ? 2.5 : 1.4, dash: isFallback ? "dash" : "solid" },
      { legendgroup: name, showlegend: !named.has(name), opacity: last ? 1 : 0.75,
        hovertemplate: `%{y:,.1f} ${unit.unit}<extra>${describe(issue)}${isFallback ? ", fallback" : ""}</extra>` }));
    named.add(name);
  });
  const now = figures.now && localTime(figures.now);
  const shapes = now
    ? [{ type: "line", x0: now, x1: now, yref: "paper", y0: 0, y1: 1, line: { color: css("--soft"), width: 1 } }]
    : [];
  const annotations = now
    ? [{ x: now, yref: "paper", y: 1, yanchor: "bottom", text: "data time", showarrow: false, font: { color: css("--soft"), size: 11 } }]
    : [];
  const axis = { gridcolor: css("--line"), linecolor: css("--line"), zeroline: false };
  Plotly.react(element, traces, {
    margin: { l: 62, r: 14, t: 22, b: 60 }, hovermode: "x unified", shapes, annotations,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--ink"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: css("--ink") },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--ink") } },
    xaxis: { ...axis, title: { text: `local time, ${zoneLabel(figures.timezone, figures.now)}` }, hoverformat: "%a %d %b %Y %H:%M" },
    yaxis: { ...axis, title: { text: `load (${unit.unit})` }, rangemode: "tozero" },
    // On a narrow screen the legend takes several lines: below the axis it covers nothing.
    legend: element.clientWidth < 640 ? { orientation: "h", y: -0.3, x: 0 } : { orientation: "h", y: 1.13, x: 0 },
  }, { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"] });
}

"use strict";
// Charts of event rules. Uses the helpers of pattern_charts.js.

const SYMBOLS = { new: "circle", expected: "square", "by construction": "x" };
const ruleText = (rule) => `${rule.antecedent.join(" + ")} → ${rule.consequent.join(" + ")}`;
const TICKS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];
const liftBar = (low, high) => {
  const ticks = TICKS.filter((one) => one >= low && one <= high);
  return { title: { text: "lift (times as<br>often as by chance)", side: "right" }, thickness: 12, tickvals: ticks.map(Math.log10), ticktext: ticks.map(String) };
};

function drawScatter(element, rules, word) {
  const lifts = rules.map((rule) => Math.max(rule.lift, 0.01));
  const low = Math.min(1, ...lifts), high = Math.max(2, ...lifts);
  const named = new Set(rules.slice(0, 10));
  const traces = Object.entries(SYMBOLS).map(([relation, symbol]) => {
    const chosen = rules.filter((rule) => rule.relation === relation);
    return {
      type: "scatter", mode: "markers+text", name: relation === "by construction" ? "true by construction" : relation,
      x: chosen.map((rule) => 100 * rule.support), y: chosen.map((rule) => 100 * rule.confidence),
      text: chosen.map((rule) => (named.has(rule) ? String(rules.indexOf(rule) + 1) : "")), textposition: "top right", textfont: { color: css("--ink") },
      marker: { symbol, size: relation === "by construction" ? 8 : 12, color: chosen.map((rule) => Math.log10(Math.max(rule.lift, 0.01))), cmin: Math.log10(low), cmax: Math.log10(high),
        colorscale: "Viridis", reversescale: true, showscale: chosen.length > 0 && relation === rules[0].relation, colorbar: liftBar(low, high), line: { width: 0.5, color: css("--card") } },
      customdata: chosen.map((rule) => [ruleText(rule), rule.lift, rule.count, Math.round(rule.count / rule.confidence), rule.days, rule.places, rule.q_value]),
      hovertemplate: `<b>%{customdata[0]}</b><br>confidence %{y:.0f} % (%{customdata[2]:,} of %{customdata[3]:,}), lift %{customdata[1]:.2f}<br>support %{x:.2f} % of ${word}<br>on %{customdata[4]} days in %{customdata[5]} place(s), q = %{customdata[6]:.1e}<extra></extra>`,
    };
  }).filter((trace) => trace.x.length);
  const supports = rules.map((rule) => 100 * rule.support), ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
  const [least, most] = [0.75 * Math.min(...supports), 1.4 * Math.max(...supports)];
  Plotly.react(element, traces, layout({
    xaxis: axis({ type: "log", range: [Math.log10(least), Math.log10(most)], tickvals: ticks, title: { text: `support (% of ${word})` } }),
    yaxis: axis({ title: { text: "confidence (%)" }, range: [0, 105] }), legend: { orientation: "h", y: 1.08, x: 0 }, showlegend: true,
  }), CONFIG);
}

// Events stand on a circle; sets of several events meet in a dot between them.
function drawGraph(element, rules) {
  const shown = rules.slice(0, 14);
  const nodes = [...new Set(shown.flatMap((rule) => [...rule.antecedent, ...rule.consequent]))].sort();
  const at = new Map(nodes.map((node, i) => {
    const angle = Math.PI / 2 - (2 * Math.PI * i) / nodes.length;
    return [node, [Math.cos(angle), Math.sin(angle)]];
  }));
  const high = Math.max(2, ...shown.map((rule) => rule.lift));
  const shade = (lift) => {
    const share = Math.min(1, Math.log(Math.max(1, lift)) / Math.log(high));
    return `hsl(${Math.round(55 + 215 * share)}, 60%, ${Math.round(58 - 18 * share)}%)`;
  };
  const traces = [], annotations = [], dots = { x: [], y: [], text: [] };
  const arrow = (from, to, rule) => annotations.push({
    x: to[0] * 0.94 + from[0] * 0.06, y: to[1] * 0.94 + from[1] * 0.06, ax: from[0] * 0.94 + to[0] * 0.06, ay: from[1] * 0.94 + to[1] * 0.06,
    xref: "x", yref: "y", axref: "x", ayref: "y", showarrow: true, text: "", arrowhead: 2, arrowsize: 1.1, arrowwidth: 1 + 2.5 * rule.confidence, arrowcolor: shade(rule.lift),
  });
  shown.forEach((rule, i) => {
    const ends = rule.consequent.map((item) => at.get(item)), starts = rule.antecedent.map((item) => at.get(item));
    const all = [...starts, ...ends];
    // Rules with the same ends must not share their dot.
    const middle = [0, 1].map((k) => (0.5 * all.reduce((sum, one) => sum + one[k], 0)) / all.length + 0.09 * Math.cos(2.4 * i + 1.6 * k));
    const single = starts.length === 1 && ends.length === 1;
    if (!single) for (const start of starts) traces.push({ type: "scatter", mode: "lines", x: [start[0], middle[0]], y: [start[1], middle[1]], line: { color: shade(rule.lift), width: 1 + 1.5 * rule.confidence }, hoverinfo: "skip" });
    for (const end of ends) arrow(single ? starts[0] : middle, end, rule);
    const dot = single ? [0, 1].map((k) => 0.42 * starts[0][k] + 0.58 * ends[0][k]) : middle;
    dots.x.push(dot[0]); dots.y.push(dot[1]);
    dots.text.push(`<b>${ruleText(rule)}</b><br>confidence ${Math.round(100 * rule.confidence)} %, lift ${rule.lift.toFixed(2)}, ${rule.days} days`);
  });
  traces.push({ type: "scatter", mode: "markers", ...dots, marker: { size: 9, color: shown.map((rule) => shade(rule.lift)), line: { width: 1, color: css("--card") } }, hovertemplate: "%{text}<extra></extra>" });
  traces.push({
    type: "scatter", mode: "markers", x: nodes.map((node) => at.get(node)[0]), y: nodes.map((node) => at.get(node)[1]), text: nodes,
    marker: { size: 22, color: css("--mark"), line: { color: css("--accent"), width: 1.5 } }, hovertemplate: "%{text}<extra></extra>",
  });
  for (const node of nodes) {
    const [x, y] = at.get(node);
    annotations.push({ x: x * 1.14, y: y * 1.14, text: node, showarrow: false, xanchor: x > 0.15 ? "left" : x < -0.15 ? "right" : "center", yanchor: "middle", font: { size: 12, color: css("--ink") } });
  }
  annotations.push({ xref: "paper", yref: "paper", x: 0, y: -0.02, xanchor: "left", yanchor: "top", showarrow: false, font: { size: 11, color: css("--soft") },
    text: `width: confidence; colour: lift, yellow 1 to violet ${high.toFixed(1)}${rules.length > shown.length ? `; the ${shown.length} strongest of ${rules.length}` : ""}` });
  Plotly.react(element, traces, layout({
    xaxis: { visible: false, range: [-2, 2] }, yaxis: { visible: false, range: [-1.35, 1.35] }, annotations, showlegend: false, margin: { l: 4, r: 4, t: 8, b: 26 },
  }), CONFIG);
}

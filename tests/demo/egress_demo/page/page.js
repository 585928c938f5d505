// SPDX-License-Identifier: MIT
// Draws the panels of the Grafana dashboard, as they stand in its JSON, from Prometheus' own API.

import { element, figure, legend, lines, states, stepColor } from "./charts.js";

const REFRESH_SECONDS = 5, POINTS = 200, LEAST_STEP = 2;
const DRAW = { timeseries: lines, "state-timeline": states, stat: figure, gauge: figure };
const VERDICT = "Verdict by part";
const FIRST = "min(collectd_egress_probe_up)", FIRST_STEP = 15, LONGEST = 3600, SHORTEST = 60;
const controls = document.getElementById("controls");

async function ask(path, parameters = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

function chosen() {
  return Object.fromEntries(new FormData(controls));
}

async function span() {
  const now = Math.floor(Date.now() / 1000), { minutes } = chosen();
  const seconds = minutes === "all" ? now - await begun(now) : Number(minutes) * 60;
  const step = Math.max(Math.ceil(seconds / POINTS), LEAST_STEP);
  const end = Math.floor(now / step) * step;
  return { start: end - Math.ceil(seconds / step) * step, end, step };
}

// When the first probe was seen, at most an hour ago.
async function begun(now) {
  const { data } = await ask("api/v1/query_range", { query: FIRST, start: now - LONGEST, end: now, step: FIRST_STEP });
  const first = data.result[0]?.values[0][0] ?? now;
  return Math.min(first - FIRST_STEP, now - SHORTEST);
}

function expression(target) {
  const values = chosen();
  return target.expr.replace(/\$(\w+)/g, (_, name) => values[name]);
}

function named(target, labels) {
  return target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? "").trim();
}

// Chain by chain, and in it the parts as the traffic meets them; of two hops nothing says which comes first.
const RANKS = { local: 0, egress: 2, target: 3, unknown: 4 };
const rank = ({ labels }) => [labels.chain ?? "", labels.type ? RANKS[labels.type] ?? 1 : 0, labels.type ?? labels.target ?? ""];

function alongThePath(one, other) {
  const [left, right] = [rank(one), rank(other)];
  const differs = left.findIndex((key, index) => key !== right[index]);
  return differs < 0 ? 0 : left[differs] < right[differs] ? -1 : 1;
}

async function series(panel, when) {
  const answers = await Promise.all(panel.targets.map((target) =>
    ask("api/v1/query_range", { query: expression(target), start: when.start, end: when.end, step: when.step })));
  return answers.flatMap((answer, index) => answer.data.result.map((found) => ({
    name: named(panel.targets[index], found.metric), labels: found.metric,
    points: found.values.map(([time, value]) => [time, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  }))).filter((found) => found.points.length > 0);
}

function build(panel) {
  const place = panel.gridPos;
  const position = `grid-column:${place.x + 1}/span ${place.w};grid-row:${place.y + 1}/span ${panel.type === "row" ? 2 : place.h}`;
  if (panel.type === "row") return element("h2", { style: position }, panel.title);
  const made = element("section", { class: "panel", style: position, title: panel.description, "data-panel": panel.title },
    element("h3", {}, panel.title), element("div", { class: "body" }));
  if (panel.type === "text") {
    nothing(made, `no data here: ${panel.description}`);
  }
  return made;
}

function nothing(place, text) {
  place.classList.add("empty");
  place.dataset.state = "empty";
  place.querySelector(".legend")?.remove();
  place.querySelector(".body").replaceChildren(element("div", { class: "nothing" }, text));
}

async function draw(panel, place, when) {
  const found = await series(panel, when);
  const settings = panel.fieldConfig.defaults;
  const current = found.filter((each) => when.end - each.points[each.points.length - 1][0] <= 3 * when.step);
  // A figure is of now; a chart may also show what has been.
  const shown = ["stat", "gauge"].includes(panel.type) ? current : found;
  if (panel.type === "state-timeline") shown.sort(alongThePath);
  if (shown.length === 0) return nothing(place, settings.noValue ?? "no data");
  place.classList.remove("empty");
  place.dataset.state = "data";
  place.querySelector(".legend")?.remove();
  if (panel.type === "timeseries") place.append(legend(shown, settings.unit));
  DRAW[panel.type](place.querySelector(".body"), shown, settings, when);
  if (panel.title === VERDICT) say(current, settings);
}

function say(list, settings) {
  const blamed = list.filter((each) => each.points[each.points.length - 1][1] > 0).map((each) => each.name);
  const verdict = document.getElementById("verdict");
  verdict.textContent = blamed.length ? `broken: ${blamed.join(", ")}` : "every part works";
  verdict.className = `verdict ${stepColor(blamed.length ? 1 : 0, settings)}`;
}

async function addVariables(dashboard) {
  for (const variable of dashboard.templating.list.filter((each) => each.type === "query")) {
    const { data } = await ask(`api/v1/label/${variable.name}/values`);
    const options = [element("option", { value: variable.allValue }, "all"), ...data.map((value) => element("option", {}, value))];
    controls.append(element("label", {}, `${variable.name} `, element("select", { name: variable.name }, ...options)));
  }
}

async function redraw(panels) {
  const when = await span();
  await Promise.all(panels.map(([panel, place]) => draw(panel, place, when)));
  document.body.dataset.drawn = when.end;
}

function complain(error) {
  document.body.dataset.trouble = error.message;
  const verdict = document.getElementById("verdict");
  verdict.textContent = "no answer from Prometheus";
  verdict.className = "verdict red";
}

async function main() {
  const dashboard = await ask("dashboard.json");
  await addVariables(dashboard);
  const root = document.getElementById("dashboard");
  const panels = dashboard.panels.map((panel) => [panel, root.appendChild(build(panel))]).filter(([panel]) => panel.targets);
  let busy = false;
  const refresh = async () => {
    if (busy) return;
    busy = true;
    await redraw(panels).then(() => { document.body.dataset.trouble = ""; }, complain);
    busy = false;
  };
  controls.addEventListener("change", refresh);
  await refresh();
  setInterval(refresh, REFRESH_SECONDS * 1000);
}

main().catch(complain);

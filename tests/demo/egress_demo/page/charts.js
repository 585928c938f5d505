// SPDX-License-Identifier: MIT
// One function a kind of panel: given a place, the series and the field's settings it draws, and says nothing else.
// A series: {name, points: [[seconds, number]]}.

import { clock, format } from "./format.js";

const PALETTE = ["#5aa2f0", "#f0b44c", "#63c28b", "#e57399", "#9b8cf2", "#4fc3cf", "#e8865a", "#a9c25b", "#c58fdc", "#7f92a8"];
const LEFT = 62, RIGHT = 8, TOP = 6, BOTTOM = 18, NAMES = 190, MARK = 70;

export function element(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "rect", "text", "g"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const last = (series) => series.points[series.points.length - 1]?.[1];
const color = (index) => PALETTE[index % PALETTE.length];

// Grafana's steps hold from their value upwards; the first one from below.
export function stepColor(value, settings) {
  const steps = settings.thresholds.steps;
  return steps.reduce((found, step) => (step.value === null || value >= step.value ? step.color : found), steps[0].color);
}

function canvas(place) {
  const { width, height } = place.getBoundingClientRect();
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  place.replaceChildren(svg);
  return { svg, width, height };
}

// Round numbers; of minutes and more, what a clock has.
const TIMES = [30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

function niceSteps(top, unitName) {
  const rough = top / 4, unit = 10 ** Math.floor(Math.log10(rough));
  const step = (unitName === "s" && top > 100 && TIMES.find((candidate) => candidate >= rough)) ||
    [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= rough);
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, index) => index * step);
}

// As many as have room beside each other, five at the most.
function timeMarks({ start, end }, pixels) {
  const rough = (end - start) / Math.max(Math.min(Math.floor(pixels / MARK), 5), 1);
  const step = [15, 30, 60, 120, 300, 600, 900].find((candidate) => candidate >= rough) ?? 1800;
  const first = Math.ceil(start / step) * step;
  return Array.from({ length: Math.floor((end - first) / step) + 1 }, (_, index) => first + index * step);
}

// Pieces without a gap: where a value ended nothing is drawn.
function pieces(points, gap) {
  const found = [];
  for (const point of points) {
    const piece = found[found.length - 1];
    if (piece && point[0] - piece[piece.length - 1][0] <= gap) piece.push(point);
    else found.push([point]);
  }
  return found;
}

function stacked(list) {
  const heights = new Map();
  return list.map((series) => ({ ...series, points: series.points.map(([time, value]) => {
    const base = heights.get(time) ?? 0;
    heights.set(time, base + value);
    return [time, base + value, base];
  }) }));
}

function axes(svg, size, marks, span, x, y, unit) {
  for (const mark of marks) {
    svg.append(element("line", { class: "rule", x1: LEFT, x2: size.width - RIGHT, y1: y(mark), y2: y(mark) }));
    svg.append(element("text", { x: LEFT - 7, y: y(mark) + 3.5, "text-anchor": "end" }, format(mark, unit)));
  }
  timeAxis(svg, size, span, x);
}

function timeAxis(svg, size, span, x) {
  for (const mark of timeMarks(span, x(span.end) - x(span.start))) {
    if (x(mark) > size.width - 24) continue;
    svg.append(element("text", { x: x(mark), y: size.height - 4, "text-anchor": "middle" }, clock(mark).slice(0, 5 + 3 * (span.end - span.start < 400))));
  }
}

export function lines(place, list, settings, span) {
  const stack = settings.custom?.stacking?.mode === "normal";
  const drawn = stack ? stacked(list) : list;
  const size = canvas(place), { svg, width, height } = size;
  const tallest = Math.max(...drawn.flatMap((series) => series.points.map((point) => point[1])), 0);
  const limits = (settings.thresholds.steps ?? []).filter((step) => step.value !== null && step.value <= 1.6 * tallest);
  const marks = niceSteps(settings.max && tallest > settings.max / 2 ? settings.max : Math.max(tallest, ...limits.map((step) => step.value)) || 1, settings.unit);
  const top = marks[marks.length - 1];
  const x = (time) => LEFT + (time - span.start) / (span.end - span.start) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - value / top * (height - TOP - BOTTOM);
  axes(svg, size, marks, span, x, y, settings.unit);
  drawn.forEach((series, index) => curve(svg, series, color(index), stack, x, y, span.step));
  for (const step of limits) {
    svg.append(element("line", { class: "limit", stroke: `var(--${step.color})`, x1: LEFT, x2: width - RIGHT, y1: y(step.value), y2: y(step.value) }));
  }
  cursor(place, svg, size, list, settings.unit, span);
}

function curve(svg, series, stroke, filled, x, y, step) {
  for (const piece of pieces(series.points, 2.5 * step)) {
    const upper = piece.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`);
    if (filled) {
      const lower = piece.map(([time, , base]) => `${x(time).toFixed(1)},${y(base).toFixed(1)}`).reverse();
      svg.append(element("path", { d: `M${upper.join("L")}L${lower.join("L")}Z`, fill: stroke, "fill-opacity": 0.35 }));
    }
    // A lone point has no length: give it some.
    const tail = piece.length === 1 ? "h2" : "";
    svg.append(element("path", { class: "curve", d: `M${upper.join("L")}${tail}`, stroke }));
  }
}

// What each series was at the pointer.
function cursor(place, svg, { width, height }, list, unit, span) {
  const line = element("line", { class: "cursor", y1: TOP, y2: height - BOTTOM, visibility: "hidden" });
  const tip = element("div", { class: "tip", hidden: "" });
  svg.append(line);
  place.append(tip);
  svg.addEventListener("pointerleave", () => { tip.hidden = true; line.setAttribute("visibility", "hidden"); });
  svg.addEventListener("pointermove", (event) => {
    const at = event.clientX - svg.getBoundingClientRect().left;
    const time = span.start + (at - LEFT) / (width - LEFT - RIGHT) * (span.end - span.start);
    const rows = list.map((series, index) => [series.points.find(([when]) => Math.abs(when - time) <= span.step), series.name, index])
      .filter(([point]) => point).sort(([one], [other]) => other[1] - one[1]).slice(0, 10);
    tip.replaceChildren(element("div", {}, clock(time)), ...rows.map(([point, name, index]) =>
      element("div", {}, swatch(index), `${name}  ${format(point[1], unit)}`)));
    tip.hidden = false;
    tip.style.left = at < width / 2 ? `${at + 14}px` : "";
    tip.style.right = at < width / 2 ? "" : `${width - at + 14}px`;
    line.setAttribute("x1", at);
    line.setAttribute("x2", at);
    line.setAttribute("visibility", "visible");
  });
}

function swatch(index) {
  const made = element("i", {});
  made.style.cssText = `display:inline-block;width:9px;height:3px;margin-right:5px;vertical-align:middle;background:${color(index)}`;
  return made;
}

export function legend(list, unit) {
  const entries = list.map((series, index) => [last(series), series.name, index]);
  entries.sort(([one], [other]) => other - one);
  return element("ul", { class: "legend" }, ...entries.map(([value, name, index]) =>
    element("li", {}, swatch(index), name, element("b", {}, format(value, unit)))));
}

export function states(place, list, settings, span) {
  const size = canvas(place), { svg, width, height } = size;
  const row = Math.min((height - BOTTOM) / list.length, 26);
  const x = (time) => NAMES + (time - span.start) / (span.end - span.start) * (width - NAMES - RIGHT);
  list.forEach((series, index) => {
    const top = index * row;
    const name = element("text", { class: "series", x: NAMES - 10, y: top + row / 2 + 4, "text-anchor": "end" }, series.name);
    svg.append(name);
    for (const [from, to, value] of spells(series.points, span.step)) {
      svg.append(element("rect", { x: x(from), y: top + 2, width: Math.max(x(Math.min(to, span.end)) - x(from), 1), height: row - 4, rx: 2,
        fill: `var(--${stepColor(value, settings)})`, "fill-opacity": 0.85 }));
    }
  });
  timeAxis(svg, size, span, x);
}

// [from, to, value] as long as the value stays the same.
function spells(points, step) {
  const found = [];
  for (const [time, value] of points) {
    const spell = found[found.length - 1];
    if (spell && spell[2] === value && time - spell[1] <= 1.5 * step) spell[1] = time + step;
    else found.push([time, time + step, value]);
  }
  return found;
}

export function figure(place, list, settings, span) {
  const value = last(list[0]);
  const strong = element("strong", { class: stepColor(value, settings) }, format(value, settings.unit));
  const box = element("div", { class: "figure" }, strong, element("div", {}));
  place.replaceChildren(box);
  spark(box.lastChild, list[0], settings, span);
}

function spark(place, series, settings, span) {
  const { width } = place.getBoundingClientRect();
  const svg = element("svg", { viewBox: `0 0 ${width} 22` });
  const top = settings.max ?? (Math.max(...series.points.map((point) => point[1])) || 1);
  const x = (time) => (time - span.start) / (span.end - span.start) * width;
  curve(svg, series, "var(--faint)", false, x, (value) => 20 - Math.min(value / top, 1) * 18, span.step);
  place.append(svg);
}

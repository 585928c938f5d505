// SPDX-License-Identifier: MIT
// Numbers as people read them, by Grafana's names of units.

const SECONDS = [[172800, 86400, "d"], [7200, 3600, "h"], [120, 60, "min"], [1, 1, "s"], [1e-3, 1e-3, "ms"], [0, 1e-6, "µs"]];
const LARGE = [[1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"], [0, 1, ""]];

// Three digits tell a size; a count of thousands is told whole.
const round = (value) => (Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3))).toLocaleString("en");

// steps: [from which size, what is one, its name]
function scaled(value, steps) {
  const [, one, name] = steps.find(([least]) => Math.abs(value) >= least);
  return [round(value / one), name];
}

const UNITS = {
  s: (value) => (value === 0 ? "0 s" : scaled(value, SECONDS).join(" ")),
  percent: (value) => `${round(value)} %`,
  cps: (value) => `${round(value)} /s`,
  Bps: (value) => `${scaled(value, LARGE).join(" ")}B/s`,
  short: (value) => scaled(value, LARGE).join(" ").trimEnd(),
};

export function format(value, unit) {
  return Number.isFinite(value) ? UNITS[unit](value) : "?";
}

export function clock(time) {
  return new Date(time * 1000).toLocaleTimeString("en-GB");
}

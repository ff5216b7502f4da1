// The history: one figure of all windows in a range, as a line chart and a table.

import { line } from "./charts.js";
import * as format from "./format.js";
import { fill } from "./tables.js";
import { FIGURES } from "./windows.js";
import { word } from "./words.js";

const ROWS = 120;
const byId = (id) => document.getElementById(id);
const chosenOf = (name) => document.querySelector(`input[name=${name}]:checked`).value;

export class Timeline {
  constructor(windows, onChoose) {
    this.windows = windows;
    this.onChoose = onChoose;
    this.chosen = undefined;
    for (const name of ["figure", "range"]) byId(name).addEventListener("change", () => this.draw());
    byId("history-details").addEventListener("toggle", () => this.#table());
  }

  show(chosen) {
    this.chosen = chosen;
    this.draw();
  }

  draw() {
    const figure = chosenOf("figure");
    const name = figure === "avg_duration_ms" ? `${word("avg_duration")} (${word("milliseconds")})` : word(figure);
    const windows = this.windows.lastHours(Number(chosenOf("range")));
    this.#zone([this.chosen, windows[0], windows.at(-1)]);
    const points = windows.map(({ start, end, [figure]: value }) => ({ start, end, value }));
    const values = points.map((point) => point.value);
    line(byId("history-chart"), points, {
      chosen: windows.findIndex(({ start, end }) => start === this.chosen?.start && end === this.chosen?.end),
      figure: name,
      onChoose: (index) => this.onChoose(windows[index]),
      summary: word("history_chart", {
        figure: name, n: format.count(values.length), last: format.count(values.at(-1) ?? 0),
        low: format.count(values.reduce((a, b) => Math.min(a, b), values[0] ?? 0)),
        high: format.count(values.reduce((a, b) => Math.max(a, b), 0)),
      }),
    });
    this.#table();
  }

  #zone(shown) {
    const times = shown.filter(Boolean).flatMap(({ start, end }) => [start, end]).sort((a, b) => a - b);
    if (times.length) byId("zone").textContent = word("time_zone", { zone: format.zoneName(...times) });
  }

  #table() {
    if (!byId("history-details").open) return;
    const windows = this.windows.lastHours(Number(chosenOf("range")));
    const newest = windows.slice(-ROWS).reverse();
    byId("history-note").textContent = newest.length < windows.length
      ? word("table_newest", { n: format.count(newest.length), total: format.count(windows.length) }) : "";
    fill(byId("history-table"), newest.map((window) => [
      format.period(window.start, window.end), ...FIGURES.map((figure) => format.count(window[figure])),
    ]));
  }
}

// The rest of one window's record: the funnel and the counts by name, as charts and tables.

import { bars } from "./charts.js";
import * as format from "./format.js";
import { fill } from "./tables.js";
import { word } from "./words.js";

const STEPS = ["page_view", "add_to_cart", "purchase"];
const MAX_BARS = 12;
const MAX_ROWS = 500;
const MAX_SPOKEN_CHARACTERS = 60;
const byId = (id) => document.getElementById(id);

const largestFirst = (counts, named) => Object.entries(counts)
  .map(([name, value]) => ({ name: named(name), value }))
  .sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));

function funnel(record) {
  const rows = STEPS.map((name, index) => {
    const value = record.event_types[name] ?? 0;
    const earlier = index ? record.event_types[STEPS[index - 1]] ?? 0 : 0;
    const rate = earlier ? format.share(value, earlier) : "";
    return { name, value, rate, label: rate ? `${format.count(value)} · ${word("of_previous", { rate })}` : format.count(value) };
  });
  bars(byId("funnel-chart"), rows, chartOf(rows));
  fill(byId("funnel-table"), rows.map((row) => [row.name, format.count(row.value), row.rate || "–"]));
}

// The largest rows; if there are more than `most`, the last one is the sum of the others.
function summedUp(rows, most) {
  if (rows.length <= most) return rows;
  const rest = rows.slice(most - 1);
  return [...rows.slice(0, most - 1), {
    name: word("more", { n: format.count(rest.length) }), value: rest.reduce((sum, row) => sum + row.value, 0),
  }];
}

function counts(kind, record, named = format.printable) {
  const rows = largestFirst(record[kind], named);
  const shown = summedUp(rows, MAX_BARS).map((row) => ({
    ...row, label: `${format.count(row.value)} (${format.share(row.value, record.total_events)})`,
  }));
  bars(byId(`${kind}-chart`), shown, rows.length ? chartOf(shown) : word("nothing"));
  fill(byId(`${kind}-table`), summedUp(rows, MAX_ROWS).map((row) => [
    row.name, format.count(row.value), format.share(row.value, record.total_events),
  ]));
}

const chartOf = (rows) => word("chart_of", {
  summary: rows.map((row) => `${format.cut(row.name, MAX_SPOKEN_CHARACTERS)} ${row.label}`).join(", "),
});

export function show(record) {
  funnel(record);
  for (const kind of ["event_types", "devices", "top_pages", "top_referrers"]) counts(kind, record);
  byId("countries").hidden = !record.countries;
  if (record.countries) counts("countries", record, format.country);
}

// The head of the page: the window on display, its four totals, and their change since the previous window.

import * as format from "./format.js";
import { FIGURES } from "./windows.js";
import { word } from "./words.js";

const LONG_CHARACTERS = 9; // a number this long needs smaller type to stay on one line on a phone
const byId = (id) => document.getElementById(id);

export function show(record, window, earlier, isLatest) {
  byId("window-label").textContent = word(isLatest ? "current" : "window");
  const time = document.createElement("time");
  time.dateTime = record.window_start;
  time.textContent = format.period(window.start, window.end);
  time.title = `${record.window_start} → ${record.window_end}`;
  byId("period").replaceChildren(time);
  byId("revision").hidden = record.revision === 0;
  byId("revision").textContent = word("revision", { n: record.revision });
  byId("approximate").hidden = !record.approximate;
  for (const figure of FIGURES) {
    const unit = figure === "avg_duration_ms" ? ` ${word("milliseconds")}` : "";
    byId(figure).textContent = format.count(record[figure]) + unit;
    byId(figure).toggleAttribute("data-long", byId(figure).textContent.length >= LONG_CHARACTERS);
    byId(`${figure}-change`).textContent = changed(record[figure], earlier?.[figure]);
  }
}

function changed(now, before) {
  if (before === undefined) return "";
  if (now === before) return word("no_change");
  return before ? word("change", { change: format.change(now, before) }) : "";
}

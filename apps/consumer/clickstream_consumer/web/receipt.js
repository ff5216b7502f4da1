// The receipt of the window on display: which records it was counted from. It is loaded when the reader opens it.

import * as format from "./format.js";
import * as server from "./server.js";
import { fill } from "./tables.js";
import { word } from "./words.js";

const byId = (id) => document.getElementById(id);
const details = byId("receipt");
let shown; // the window's totals
let loaded; // the window and revision whose receipt is in the table

const nameOf = (totals) => `${totals.start} ${totals.end} ${totals.revision}`;

export function show(totals) {
  shown = totals;
  if (details.open) load();
}

async function load() {
  const totals = shown;
  if (!totals || loaded === nameOf(totals)) return;
  loaded = nameOf(totals);
  note(word("receipt_loading"));
  try {
    const receipt = await server.receipt(totals);
    if (loaded !== nameOf(totals)) return; // another window was chosen since
    if (!receipt) return note(word("receipt_absent"));
    fill(byId("receipt-table"), Object.entries(receipt).map(([partition, each]) => [
      partition, String(each.first), String(each.last), format.count(each.counted), refused(each.refused),
    ]));
    note("");
  } catch (error) {
    console.warn("The receipt could not be loaded:", error.message);
    if (loaded !== nameOf(totals)) return;
    loaded = undefined;
    note(word("receipt_failed"));
  }
}

// The table is hidden while there is something to say instead.
function note(text) {
  byId("receipt-note").textContent = text;
  byId("receipt-rows").hidden = text !== "";
}

function refused(counts) {
  if (!counts) return word("refused_unknown");
  const texts = Object.entries(counts).map(([reason, count]) => `${format.count(count)} ${format.printable(reason)}`);
  return texts.join(", ") || word("refused_none");
}

details.addEventListener("toggle", () => { if (details.open) load(); });

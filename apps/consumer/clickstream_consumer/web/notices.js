// What the page says about itself: a banner while something is wrong, whether it is live, and, for screen readers, news.

import { word } from "./words.js";

const PAUSE_MS = 15000;
const byId = (id) => document.getElementById(id);
let trouble; // nothing was heard yet
let latest; // the last news, said or not
let saidAt = -Infinity;
let saying;

// `condition` is the consumer's (ready, connecting, joining, away, refused, no_topic), or lost or failed: the page's own.
export function condition(condition) {
  if (condition === trouble) return;
  const wasBroken = ![undefined, "ready", "connecting", "joining"].includes(trouble);
  trouble = condition;
  const live = condition === "ready";
  byId("banner").textContent = live ? "" : word(`banner_${condition}`);
  byId("state").dataset.live = String(live);
  byId("state-text").textContent = word(live ? "live" : "not_live");
  if (live && wasBroken) say(word("recovered"));
}

export function say(text) {
  byId("news").textContent = text;
}

// What happened without the reader's doing: so seldom that it does not drown what else is read, and then the latest only.
export function news(text) {
  latest = text;
  saying ??= setTimeout(() => {
    saying = undefined;
    saidAt = performance.now();
    say(latest);
  }, saidAt + PAUSE_MS - performance.now());
}

// The page's own state: a banner while something is wrong, whether it is live, and news for screen readers.

import { word } from "./words.js";

const PAUSE_MS = 15000;
const byId = (id) => document.getElementById(id);
let shown; // the condition in the banner
let latest; // the last news, announced or not
let announcedAt = -Infinity;
let announcing;

// `condition` is the consumer's (ready, connecting, joining, away, refused, no_topic), or lost or failed: the page's own.
export function condition(condition) {
  if (condition === shown) return;
  const wasBroken = ![undefined, "ready", "connecting", "joining"].includes(shown);
  shown = condition;
  const live = condition === "ready";
  byId("banner").textContent = live ? "" : word(`banner_${condition}`);
  byId("state").dataset.live = String(live);
  byId("state-text").textContent = word(live ? "live" : "not_live");
  if (live && wasBroken) say(word("recovered"));
}

export function say(text) {
  byId("news").textContent = text;
}

// Changes that the reader did not cause: at most one in PAUSE_MS, the latest, so that they don't drown other text.
export function news(text) {
  latest = text;
  announcing ??= setTimeout(() => {
    announcing = undefined;
    announcedAt = performance.now();
    say(latest);
  }, announcedAt + PAUSE_MS - performance.now());
}

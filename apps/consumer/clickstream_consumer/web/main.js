// The page: loads the windows, shows the latest one and follows it, until the reader chooses another.

import * as breakdown from "./breakdown.js";
import * as format from "./format.js";
import * as notices from "./notices.js";
import * as overview from "./overview.js";
import * as receipt from "./receipt.js";
import * as server from "./server.js";
import { Timeline } from "./timeline.js";
import { Windows, totalsOf } from "./windows.js";
import { word } from "./words.js";

const RETRY_MS = 3000;
const byId = (id) => document.getElementById(id);
const windows = new Windows();
const timeline = new Timeline(windows, (window) => choose(window));
let shown; // the record on the page
let following = true; // whether each new window is shown as it arrives
let wanted; // the window that the reader has chosen, shown or still loading
let stream;
let complete = false; // whether the consumer has read the whole topic: before, it can't know that there are no windows
let drawing; // the frame in which changes are drawn

async function load() {
  stream?.close();
  try {
    const { position, windows: records } = await server.allTotals();
    windows.replaceAll(records);
    if (windows.all.length) await showRecord(following || !shown ? windows.newest : totalsOf(shown));
    showPlaceholder();
    stream = server.listen(position, {
      window: arrived, status: conditionChanged, reload: load, lost: () => notices.condition("lost"),
    });
  } catch (error) {
    console.warn("The windows could not be loaded:", error.message);
    notices.condition("failed");
    setTimeout(load, RETRY_MS);
  }
}

// While there is no window to show: "no windows yet", or "loading" while that is not known.
function showPlaceholder() {
  const some = windows.all.length > 0;
  byId("loading").hidden = some || complete;
  byId("empty").hidden = some || !complete;
}

function conditionChanged(condition) {
  complete ||= condition === "ready" || condition === "no_topic";
  showPlaceholder();
  notices.condition(condition);
}

function arrived(record) {
  const what = windows.put(record);
  if (what === "known") return;
  const totals = totalsOf(record);
  const isNewest = windows.indexOf(totals) === windows.all.length - 1;
  const isShown = shown && totalsOf(shown).start === totals.start && totalsOf(shown).end === totals.end;
  if (following && isNewest) wanted = totals;
  if ((following && isNewest) || isShown) shown = record;
  drawing ??= requestAnimationFrame(draw); // once for all that arrive together; in a hidden tab when it is visible again
  notices.news(word(what === "new" ? "new_window" : "revised_window", {
    period: format.period(totals.start, totals.end),
    events: format.count(record.total_events), users: format.count(record.unique_users),
  }));
}

async function showRecord(window) {
  wanted = window;
  const record = await server.record(window);
  if (record && wanted === window) {
    shown = record;
    draw();
  }
}

function draw() {
  cancelAnimationFrame(drawing);
  drawing = undefined;
  if (!shown) return;
  showPlaceholder();
  byId("figures").hidden = false;
  const totals = totalsOf(shown);
  const at = windows.indexOf(totals);
  overview.show(shown, totals, windows.all[at - 1], at === windows.all.length - 1);
  timeline.show(totals);
  breakdown.show(shown);
  receipt.show(totals);
  steps();
}

function steps() {
  const at = shown ? windows.indexOf(totalsOf(shown)) : -1;
  // Not "disabled": the button that was just pressed would lose the focus.
  const idle = { earlier: at <= 0, later: at < 0 || at >= windows.all.length - 1, latest: following };
  for (const [id, value] of Object.entries(idle)) byId(id).setAttribute("aria-disabled", String(value));
}

async function choose(window) {
  if (!window) return;
  following = window === windows.newest;
  try {
    await showRecord(window);
    notices.say(word("showing", { period: format.period(window.start, window.end) }));
  } catch (error) {
    console.warn("The window could not be loaded:", error.message);
    notices.condition("failed");
  }
  steps();
}

function step(by) {
  const at = windows.indexOf(wanted ?? totalsOf(shown));
  choose(windows.all[at + by]);
}

byId("earlier").addEventListener("click", () => step(-1));
byId("later").addEventListener("click", () => step(1));
byId("latest").addEventListener("click", () => choose(windows.newest));
load();

// One scenario: its form, a sentence that says what it means, saving with conflicts, history.

import * as charts from "./charts.js";
import { at, element, options, tell } from "./dom.js";
import * as filters from "./filters.js";
import { get, post, put } from "./server.js";
import { tryOut } from "./trial.js";
import { count, language, moment, share, word } from "./words.js";

const form = at("scenario");
let stored; // as the server has it; undefined for a new one
let active = true;
let clean = "";
let timer;
let theirs;
let edits = 0;
let refused; // the number of edits when saving was refused: that stays to be read until the next one

const WAIT_MS = 300;

export const changed = () => !at("editor").hidden && clean !== JSON.stringify(read());

function read() {
  const id = form.scenario_id.value.trim();
  return {
    ...(id ? { scenario_id: /^\d+$/.test(id) ? Number(id) : id } : {}),
    title: form.title.value,
    manager: form.manager.value,
    log_format: Object.fromEntries([...at("format").querySelectorAll("input")].map((each) => [each.value, Number(each.checked)])),
    filters: filters.read(),
    logical_operator: form.querySelector("input[name=logical_operator]:checked").value,
    timezone: form.timezone.value.trim() || "UTC",
  };
}

function addField(name, kept) {
  const there = [...at("format").querySelectorAll("input")].find((each) => each.value === name);
  if (there) { there.checked ||= kept; return; }
  at("format").append(element("label", {}, element("input", { type: "checkbox", value: name, checked: kept }), element("span", {}, name)));
}

export function suggest(fields) {
  filters.suggest(fields);
  const before = changed();
  for (const name of Object.keys(fields).slice(0, 20)) addField(name, false);
  if (!before) clean = JSON.stringify(read());
}

function fill(scenario) {
  form.scenario_id.value = scenario.scenario_id ?? "";
  form.scenario_id.disabled = stored !== undefined;
  for (const name of ["title", "manager", "timezone"]) form[name].value = scenario[name] ?? "";
  form.querySelector(`input[name=logical_operator][value=${scenario.logical_operator}]`).checked = true;
  at("format").replaceChildren();
  for (const [name, kept] of Object.entries(scenario.log_format)) addField(name, kept === 1);
  for (const name of ["memberId", "h", "age", "gender"]) addField(name, false);
  at("filters").replaceChildren();
  for (const each of scenario.filters) filters.add(each, later);
  refused = undefined;
  clean = JSON.stringify(read());
  check();
}

export async function open(id, fields) {
  stored = id === undefined ? undefined : await get(`scenarios/${id}`);
  show(stored ?? { title: "", manager: "", timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, log_format: { memberId: 1 }, filters: [], logical_operator: "AND" });
  if (fields) suggest(fields);
  at("trial").hidden = true;
}

function show(scenario) {
  active = scenario.active ?? true;
  at("conflict").hidden = true;
  const title = stored ? (active ? "edit_title" : "inactive_title") : "new_title";
  at("editor-title").textContent = stored ? word(title, { id: stored.scenario_id, version: stored.version }) : word(title);
  at("toggle").hidden = !stored;
  at("toggle").textContent = word(active ? "deactivate" : "activate");
  fill(scenario);
  at("history").hidden = at("numbers").hidden = !stored;
  if (stored) history();
}

// -- while it is written ----------------------------------------------------------------------------------------------

function later() {
  edits += 1;
  clearTimeout(timer);
  timer = setTimeout(check, WAIT_MS);
}

async function check() {
  clearTimeout(timer);
  const given = { ...read(), scenario_id: read().scenario_id ?? 1 };
  try {
    const { sentence } = await post("scenarios/check", given);
    at("sentence").textContent = sentence[language];
    if (refused !== edits) explain([]);
    return true;
  } catch (refusal) {
    at("sentence").textContent = "";
    if (refused === edits) return false;
    // A scenario that is being begun is not scolded for what is still empty.
    explain(refusal.body?.problems ?? [{ place: "", message: refusal.message }], stored === undefined && clean === JSON.stringify(read()));
    return false;
  }
}

function explain(problems, quiet = false) {
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
  const lines = quiet ? [] : problems.map(({ place, message }) => {
    const input = filters.mark(place) ?? form.elements[place];
    if (input?.setAttribute) input.setAttribute("aria-invalid", "true");
    const condition = /^filters\[(\d+)\]/.exec(place);
    const name = { title: word("name"), manager: word("manager"), timezone: word("timezone"), scenario_id: "ID" }[place] ?? (condition ? word("condition", { n: Number(condition[1]) + 1 }) : place.replace(/^log_format\./, ""));
    return element("li", {}, name ? `${name}: ${message}` : message);
  });
  at("problems").replaceChildren(...lines);
}

// -- saving -----------------------------------------------------------------------------------------------------------

async function save(body, saved = "saved") {
  const before = stored?.version;
  try {
    stored = stored ? await put(`scenarios/${stored.scenario_id}`, { ...body, version: stored.version }) : await post("scenarios", body);
  } catch (refusal) {
    refuse(refusal);
    return;
  }
  show(stored);
  tell(word(stored.version === before ? "unchanged" : saved, { version: stored.version }));
  const address = `#/${stored.scenario_id}`;
  if (location.hash !== address) globalThis.history.replaceState(null, "", address);
}

function refuse({ status, body, message }) {
  if (status === 409) {
    conflict(body.current);
  } else {
    refused = edits;
    explain(body.problems ?? [{ place: "", message }]);
  }
}

function conflict(current) {
  theirs = current;
  at("conflict").hidden = false;
  at("conflict-text").textContent = word("conflict_text", { user: current.changed_by, version: current.version, at: moment(current.changed_at), sentence: current.sentence[language] });
  at("conflict-title").focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await save({ ...read(), active });
});
form.addEventListener("input", later);
at("toggle").addEventListener("click", () => save({ ...read(), active: !active }));
at("try").addEventListener("click", async () => {
  if (await check()) await tryOut({ ...read(), scenario_id: read().scenario_id ?? 1 });
});
at("take-theirs").addEventListener("click", () => { stored = theirs; show(stored); at("editor-title").focus(); });
at("keep-mine").addEventListener("click", async () => {
  const mine = { ...read(), active: theirs.active };
  stored = theirs;
  await save(mine);
});
at("add-filter").addEventListener("click", () => { filters.add(undefined, later).focus(); later(); });
at("add-field").addEventListener("click", () => {
  const name = at("another").value.trim();
  if (name) addField(name, true);
  at("another").value = "";
  later();
});
options(at("timezones"), Intl.supportedValuesOf?.("timeZone") ?? ["UTC"]);

// -- numbers and history ----------------------------------------------------------------------------------------------

export async function numbers(ratio) {
  if (!stored || at("editor").hidden) return;
  at("numbers-text").textContent = ratio
    ? word("numbers_text", { ratio: share(ratio.success_ratio), total: count(ratio.total_count), version: stored.version, at: moment(ratio.updated_at) })
    : word("numbers_none");
  charts.draw((await get(`scenarios/${stored.scenario_id}/minutes`)).minutes);
}

async function history() {
  const { history: entries } = await get(`scenarios/${stored.scenario_id}/history`);
  at("history").querySelector("tbody").replaceChildren(...entries.map((entry) => element("tr", {},
    element("td", { className: "number" }, `${entry.version}`),
    element("td", {}, word("changed_by", { change: word(`action_${entry.action}`, { detail: entry.detail }), user: entry.changed_by, at: moment(entry.changed_at) }),
      element("small", {}, entry.scenario?.sentence[language] ?? "")),
    element("td", {}, entry.version === stored.version || !entry.scenario ? "" : restoring(entry.version)))));
}

function restoring(version) {
  const button = element("button", { type: "button", "aria-label": word("restore_version", { version }) }, word("restore"));
  button.addEventListener("click", async () => {
    try {
      stored = await post(`scenarios/${stored.scenario_id}/restore`, { version: stored.version, restore: version });
    } catch (refusal) {
      refuse(refusal);
      return;
    }
    show(stored);
    tell(word("restored", { restored: version, version: stored.version }));
    at("editor-title").focus();
  });
  return button;
}

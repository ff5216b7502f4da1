// The table of scenarios with their live numbers.

import { at, element } from "./dom.js";
import { count, language, moment, share, word } from "./words.js";

let scenarios = [];
let ratios = {};

const text = (each) => [each.scenario_id, each.title, each.manager, ...Object.keys(each.log_format), ...each.filters.map((one) => one.left)].join("\n").toLowerCase();

function row(each) {
  const ratio = ratios[each.scenario_id];
  const bar = ratio ? element("meter", { min: 0, max: 1, value: ratio.success_ratio, title: share(ratio.success_ratio) }) : "";
  return element("tr", {},
    element("td", { className: "number" }, `${each.scenario_id}`),
    element("td", {}, element("a", { href: `#/${each.scenario_id}` }, each.title),
      ...(each.active ? [] : [" ", element("span", { className: "badge" }, word("inactive"))]),
      element("small", {}, each.sentence[language])),
    element("td", { className: "number" }, ratio ? share(ratio.success_ratio) : "–", " ", bar),
    element("td", { className: "number" }, ratio ? count(ratio.total_count) : "–"),
    element("td", {}, moment(each.changed_at), element("small", {}, each.changed_by)));
}

export function draw() {
  const state = document.querySelector("input[name=state]:checked").value;
  const wanted = at("search").value.trim().toLowerCase();
  const shown = scenarios.filter((each) => (state === "all" || (state === "active") === each.active) && text(each).includes(wanted));
  at("scenarios").tBodies[0].replaceChildren(...shown.map(row));
  at("list-note").textContent = scenarios.length ? word("shown", { count: count(shown.length), total: count(scenarios.length) }) : word("no_scenarios");
}

export function show(given) { scenarios = given; draw(); }

export function number(given) {
  const before = JSON.stringify(ratios);
  ratios = given;
  if (JSON.stringify(ratios) !== before) draw();
}

export const ratioOf = (id) => ratios[id];

at("search").addEventListener("input", draw);
at("state").addEventListener("change", draw);

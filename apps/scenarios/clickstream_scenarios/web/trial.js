// What the scenario would have made of the last requests.

import { at, element } from "./dom.js";
import { post } from "./server.js";
import { count, share, word } from "./words.js";

export async function tryOut(scenario) {
  at("trial").hidden = false;
  at("trial-text").textContent = word("trying");
  at("trial-held").replaceChildren();
  at("examples").tBodies[0].replaceChildren();
  at("examples").hidden = true;
  let outcome;
  try {
    outcome = await post("scenarios/trial", scenario);
  } catch (refusal) {
    at("trial-text").textContent = refusal.message;
    return;
  }
  const ratio = share(outcome.total_count ? outcome.success_count / outcome.total_count : 0);
  at("trial-text").textContent = outcome.total_count
    ? word(outcome.own ? "trial_own" : "trial_others", { total: count(outcome.total_count), success: count(outcome.success_count), ratio })
    : word("trial_nothing");
  at("trial-held").replaceChildren(...scenario.filters.map((filter, position) => element("li", {}, word("held", {
    n: position + 1, left: filter.left, operator: word(`op_${filter.operator}`), right: filter.right, count: count(outcome.held[position]),
  }))));
  at("examples").hidden = !outcome.examples.length;
  at("examples").tBodies[0].replaceChildren(...outcome.examples.map(({ result, holds }) => element("tr", {},
    element("td", {}, word(result.success ? "success" : "failure")),
    element("td", {}, holds.map((each, position) => `${position + 1} ${each ? "✓" : "✗"}`).join("  ")),
    element("td", {}, element("code", {}, JSON.stringify(result))))));
}

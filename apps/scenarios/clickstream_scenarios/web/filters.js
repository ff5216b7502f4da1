// The rows of conditions: field, operator, value. Values are suggested from the last requests.

import { at, element, options } from "./dom.js";
import { word } from "./words.js";

export const OPERATORS = ["==", "!=", ">", ">=", "<", "<=", "in", "not in", "contains", "starts with", "ends with", "matches", "exists"];
const KNOWN = { gender: ["MALE", "FEMALE"], age: [], h: [] };

let suggested = {};
let number = 0;

export const fieldNames = () => [...new Set([...Object.keys(KNOWN), ...Object.keys(suggested), "scenario_id", "date", "method", "path"])];

export function suggest(fields) {
  suggested = fields;
  options(at("fields"), fieldNames());
}

function renumber() {
  [...at("filters").children].forEach((row, position) => {
    row.setAttribute("aria-label", word("condition", { n: position + 1 }));
    row.querySelector(".remove").setAttribute("aria-label", word("remove_condition", { n: position + 1 }));
  });
}

export function add(filter = { left: "", operator: "==", right: "" }, changed = () => {}) {
  const list = `values-${number += 1}`;
  const values = element("datalist", { id: list });
  const left = element("input", { className: "left", value: filter.left, "aria-label": word("field"), placeholder: word("field") });
  left.setAttribute("list", "fields");
  const operator = element("select", { className: "operator", "aria-label": word("operator") },
    ...OPERATORS.map((each) => element("option", { value: each, selected: each === filter.operator }, word(`op_${each}`))));
  const right = element("input", { className: "right", value: Array.isArray(filter.right) ? filter.right.join(", ") : `${filter.right ?? ""}`, "aria-label": word("value"), placeholder: word("value") });
  right.setAttribute("list", list);
  const remove = element("button", { type: "button", className: "remove" }, "×");
  const row = element("li", {}, left, operator, right, remove, values);
  row.setAttribute("role", "group");
  const follow = () => {
    right.disabled = operator.value === "exists";
    right.hidden = right.disabled;
    options(values, suggested[left.value] ?? KNOWN[left.value] ?? []);
  };
  // A list with a comma in a value, or numbers, go back as they came as long as nobody touches them.
  row.original = filter;
  remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    renumber();
    (next?.querySelector(".remove") ?? at("add-filter")).focus();
    changed();
  });
  for (const each of [left, operator, right]) each.addEventListener("input", () => { follow(); changed(); });
  left.addEventListener("focus", follow);
  right.addEventListener("focus", follow);
  at("filters").append(row);
  follow();
  renumber();
  return left;
}

export function read() {
  return [...at("filters").children].map((row) => {
    const [left, operator, right] = [".left", ".operator", ".right"].map((each) => row.querySelector(each).value);
    const shown = Array.isArray(row.original.right) ? row.original.right.join(", ") : `${row.original.right ?? ""}`;
    const untouched = shown === right && row.original.operator === operator;
    return { left: left.trim(), operator, right: operator === "exists" ? "" : untouched ? row.original.right : right };
  });
}

// Marks the inputs that are wrong; returns whether the place belongs to a condition.
export function mark(place) {
  const found = /^filters\[(\d+)\](?:\.(\w+))?/.exec(place);
  const input = found && at("filters").children[found[1]]?.querySelector(`.${found[2] ?? "left"}`);
  input?.setAttribute("aria-invalid", "true");
  return input;
}

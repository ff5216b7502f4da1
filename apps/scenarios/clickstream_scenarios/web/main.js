// The page: who is signed in, which view the address names, and live numbers every five seconds.

import { at, tell, warn } from "./dom.js";
import * as editor from "./editor.js";
import * as list from "./list.js";
import { get, post, remove } from "./server.js";
import { word } from "./words.js";

const NUMBERS_MS = 5000;
let here = location.hash;
let fields;

function only(id) {
  for (const each of ["sign-in", "list", "editor"]) at(each).hidden = each !== id;
}

async function route() {
  here = location.hash;
  warn("");
  try {
    const session = await get("session");
    if (!session.user) { signIn(session.way); return; }
    at("who").hidden = false;
    at("user").textContent = word("signed_in", { user: session.user });
    at("sign-out").hidden = session.way !== "password";
    const named = /^#\/(new|\d+)$/.exec(here);
    if (named) {
      await editor.open(named[1] === "new" ? undefined : Number(named[1]), fields);
      only("editor");
      at("editor-title").focus();
      suggest();
      await numbers();
    } else {
      const listed = get("scenarios").then(({ scenarios }) => { list.show(scenarios); only("list"); });
      await Promise.all([listed, numbers()]);  // at the same time; each is shown when it is there
    }
  } catch (refusal) {
    failed(refusal);
  }
}

async function suggest() {
  try {
    fields = (await get("scenarios/suggestions")).fields;
    editor.suggest(fields);
  } catch { /* Kafka is away: there are no suggestions */ }
}

async function numbers() {
  if (!at("sign-in").hidden) return;
  const { redis, ratios } = await get("scenarios/ratios");
  list.number(ratios);
  warn(redis ? "" : word("no_redis"));
  const named = /^#\/(\d+)$/.exec(location.hash);
  if (named) await editor.numbers(ratios[named[1]]);
}

function failed(refusal) {
  if (refusal.status === 401) signIn(refusal.body.sign_in); else warn(refusal.message);
}

function signIn(way) {
  only("sign-in");
  at("who").hidden = true;
  at("sign-in-form").hidden = way !== "password";
  at("sign-in-proxy").hidden = way !== "proxy";
  at("sign-in-form").user.focus();
}

at("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  at("sign-in-error").textContent = "";
  try {
    await post("session", { user: form.user.value, password: form.password.value });
    form.reset();
    await route();
    at("main").focus();
  } catch (refusal) {
    at("sign-in-error").textContent = refusal.message;
    form.password.select();
  }
});
at("sign-out").addEventListener("click", async () => { await remove("session"); tell(word("sign_out")); await route(); });

addEventListener("hashchange", () => {
  if (location.hash === here) return;
  if (editor.changed() && !confirm(word("unsaved"))) { history.replaceState(null, "", here || "#/"); return; }
  route();
});
addEventListener("beforeunload", (event) => { if (editor.changed()) event.preventDefault(); });
// The language's address keeps the view.
document.querySelector(".language").addEventListener("click", (event) => { event.currentTarget.hash = location.hash; });
setInterval(() => { if (!document.hidden) numbers().catch(failed); }, NUMBERS_MS);
await route();

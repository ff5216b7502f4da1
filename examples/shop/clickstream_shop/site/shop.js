// The shop's own script: the cart, the search, and single-page navigation between categories and after an order.
// Like any site's script, it does not know clickstream.js.

const CART = "shop-cart";
const byId = (id) => document.getElementById(id);
const { lang, dataset: { currency } } = document.documentElement;
const money = new Intl.NumberFormat(lang, { style: "currency", currency, maximumFractionDigits: 0 });
let navigations = 0;
let shown = location.pathname + location.search;

function cart() {
  try {
    return JSON.parse(localStorage.getItem(CART)) ?? {};
  } catch {
    return {};
  }
}

function change(slug, by) {
  const content = cart();
  content[slug] = Math.max(0, (content[slug] ?? 0) + by);
  if (!content[slug]) delete content[slug];
  try {
    localStorage.setItem(CART, JSON.stringify(content));
  } catch { /* a cart that does not last */ }
  showCart();
}

function showCart() {
  const content = cart();
  const count = Object.values(content).reduce((sum, each) => sum + each, 0);
  byId("count").textContent = count;
  byId("count").hidden = count === 0;
  if (!byId("full")) return;
  let sum = 0;
  for (const row of document.querySelectorAll(".row")) {
    const pieces = content[row.dataset.slug] ?? 0;
    row.hidden = pieces === 0;
    row.querySelector("b").textContent = pieces;
    row.querySelector(".price").textContent = money.format(pieces * row.dataset.price);
    sum += pieces * row.dataset.price;
  }
  byId("sum").textContent = money.format(sum);
  byId("full").hidden = count === 0;
  byId("empty").hidden = count !== 0;
}

function showFound() {
  const found = byId("found");
  if (!found) return;
  const query = (new URLSearchParams(location.search).get("q") ?? "").trim();
  let count = 0;
  for (const card of document.querySelectorAll(".card")) {
    card.hidden = !card.dataset.name.includes(query.toLowerCase());
    if (!card.hidden) count += 1;
  }
  document.querySelector("input[name=q]").value = query;
  const translated = document.querySelector(".language");
  translated.search = new URLSearchParams({ lang: translated.lang, q: query });
  const text = found.dataset[query ? (count ? "found" : "none") : "all"];
  found.textContent = text.replace("{count}", count).replace("{query}", query);
}

// Replaces this page's content by another page's, or loads that page if this fails.
async function show(address, method) {
  const mine = ++navigations;
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== navigations) return;
    if (method === "push") history.pushState({}, "", address);
    shown = location.pathname + location.search;
    for (const selector of ["title", "main", ".categories", ".language"]) {
      document.querySelector(selector).replaceWith(next.querySelector(selector));
    }
    document.querySelector("meta[name=page-category]").content = next.querySelector("meta[name=page-category]").content;
    showCart();
    showFound();
    scrollTo(0, 0);
    byId("content").focus({ preventScroll: true });
  } catch {
    location.assign(address);
  }
}

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  const add = at("[data-add]");
  if (add) {
    change(add.dataset.add, 1);
    byId("news").textContent = byId("news").dataset.added.replace("{name}", add.dataset.name);
  }
  if (at("[data-more]")) change(at("[data-more]").dataset.more, 1);
  if (at("[data-less]")) change(at("[data-less]").dataset.less, -1);
  const link = at("a[data-in-page]");
  if (link && event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)) {
    event.preventDefault();
    show(link.href, "push");
  }
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "order") return;
  event.preventDefault();
  localStorage.removeItem(CART);
  show(`${event.target.action}?lang=${lang}`, "push");
});

addEventListener("popstate", () => {
  if (location.pathname + location.search !== shown) show(location.href);
});
addEventListener("pageshow", showCart);
showFound();

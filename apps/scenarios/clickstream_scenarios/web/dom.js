// Elements of the page. Texts are set as text, never as markup.

export const at = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function options(datalist, values) {
  datalist.replaceChildren(...values.map((value) => element("option", { value })));
}

export const tell = (text) => { at("news").textContent = text; };
export const warn = (text) => { at("banner").textContent = text; };

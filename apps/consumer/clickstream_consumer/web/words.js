// The page's words in its language; {names} in them are filled in.

import { language } from "./format.js";

const messages = await (await fetch(new URL("messages.json", import.meta.url))).json();
const words = messages[language];

export function word(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// The page's words in its language; {names} in them are filled in.

export const language = document.documentElement.lang;
const messages = await (await fetch(new URL("messages.json", import.meta.url))).json();
const words = messages[language];

export const word = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

const numbers = new Intl.NumberFormat(language);
const shares = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const moments = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
export const count = (value) => numbers.format(value);
export const share = (value) => shares.format(value);
export const moment = (text) => moments.format(new Date(text));

// Numbers, times and names in the page's language, in the reader's time zone.

export const language = document.documentElement.lang;
const numbers = new Intl.NumberFormat(language);
const shares = new Intl.NumberFormat(language, {
  style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1,
});
const changes = new Intl.NumberFormat(language, {
  style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero",
});
const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const days = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
const minutes = new Intl.DateTimeFormat(language, time);
const seconds = new Intl.DateTimeFormat(language, { ...time, second: "2-digit" });
const regions = new Intl.DisplayNames(language, { type: "region" });
const zone = new Intl.DateTimeFormat(language, { timeZoneName: "long" });

export const count = (value) => numbers.format(value);
export const short = (value) => compact.format(value);
export const share = (part, whole) => shares.format(whole ? part / whole : 0);
export const change = (now, before) => changes.format((now - before) / before);
export const day = (milliseconds) => days.format(milliseconds);
export const minute = (milliseconds) => minutes.format(milliseconds);
export const zoneName = () => zone.formatToParts(0).find((part) => part.type === "timeZoneName").value;

const clock = (milliseconds) => (milliseconds % 60000 ? seconds : minutes).format(milliseconds);

// Both bounds with seconds when one of them has some, so that they read alike.
export function period(start, end) {
  const format = start % 60000 || end % 60000 ? seconds : minutes;
  return `${days.format(start)} ${format.format(start)} – ${format.format(end)}`;
}

export const moment = (milliseconds) => `${days.format(milliseconds)} ${clock(milliseconds)}`;

// Names come from the internet: what cannot be printed, text direction overrides above all, is shown as its code.
export const printable = (name) => name.replace(
  /[\p{C}\p{Zl}\p{Zp}]/gu,
  (character) => `\\u{${character.codePointAt(0).toString(16)}}`,
);

export const country = (code) => (/^[A-Z]{2}$/.test(code) ? regions.of(code) : printable(code));

export const cut = (name, most) => {
  const characters = [...name];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : name;
};

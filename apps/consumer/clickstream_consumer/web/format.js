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
const zones = new Intl.DateTimeFormat(language, { timeZoneName: "long" });
const offsets = new Intl.DateTimeFormat(language, { timeZoneName: "short" });
const list = new Intl.ListFormat(language);
const DAY_MS = 24 * 3600000;
const SIX_HOURS_MS = 6 * 3600000; // more than any change of clocks

export const count = (value) => numbers.format(value);
export const short = (value) => compact.format(value);
export const share = (part, whole) => shares.format(whole ? part / whole : 0);
export const change = (now, before) => changes.format((now - before) / before);
export const day = (milliseconds) => days.format(milliseconds);

const nameIn = (format, milliseconds) => format.formatToParts(milliseconds).find(({ type }) => type === "timeZoneName").value;
const minutesWest = (milliseconds) => new Date(milliseconds).getTimezoneOffset();

// Whether clocks show this time twice because they are turned back: then the other offset from UTC is in force at another
// moment, as far away as they are turned.
function isTwice(milliseconds) {
  return [-1, 1].some((side) => {
    const west = minutesWest(milliseconds + side * SIX_HOURS_MS);
    const turned = side * (west - minutesWest(milliseconds));
    return turned > 0 && minutesWest(milliseconds + side * turned * 60000) === west;
  });
}

const withOffset = (text, milliseconds) => (isTwice(milliseconds) ? `${text} ${nameIn(offsets, milliseconds)}` : text);

export const minute = (milliseconds) => withOffset(minutes.format(milliseconds), milliseconds);

let shown = Date.now();

export function moment(milliseconds) {
  shown = milliseconds;
  const format = milliseconds % 60000 ? seconds : minutes;
  return withOffset(`${days.format(milliseconds)} ${format.format(milliseconds)}`, milliseconds);
}

// Both bounds with seconds if one of them has seconds, so that they look alike; with the offset from UTC where they
// would be ambiguous without it.
export function period(start, end) {
  const format = start % 60000 || end % 60000 ? seconds : minutes;
  const bounds = [start, end].map((each) => format.format(each));
  if (end - start >= DAY_MS || days.format(start) !== days.format(end - 1)) bounds[1] = `${days.format(end)} ${bounds[1]}`;
  if (isTwice(start) || isTwice(end) || minutesWest(start) !== minutesWest(end)) {
    const [from, to] = [start, end].map((each) => nameIn(offsets, each));
    if (from !== to) bounds[0] += ` ${from}`;
    bounds[1] += ` ${to}`;
  }
  return `${days.format(start)} ${bounds.join(" – ")}`;
}

// The zone of these times, or of the last formatted moment; it has two names around a change of clocks.
export function zoneName(...times) {
  return list.format(new Set((times.length ? times : [shown]).map((each) => nameIn(zones, each))));
}

// Names come from the internet: unprintable characters such as text direction overrides are shown as their code.
export const printable = (name) => name.replace(
  /[\p{C}\p{Zl}\p{Zp}]/gu,
  (character) => `\\u{${character.codePointAt(0).toString(16)}}`,
);

export const country = (code) => (/^[A-Z]{2}$/.test(code) ? regions.of(code) : printable(code));

export const cut = (name, most) => {
  const characters = [...name];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : name;
};

// Requests to the consumer: all windows once, then a stream of events.

const SILENCE_MS = 40000; // the server sends something every 15 s

async function fetched(query, what = "windows") {
  const answer = await fetch(`api/${what}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  return answer.json();
}

export const allTotals = () => fetched({ fields: "totals", limit: 20160 });

const only = (window) => ({
  from: new Date(window.start).toISOString(), to: new Date(window.start + 1).toISOString(), limit: 10,
});
const among = (records, window) => records.find((each) => Date.parse(each.window_end) === window.end);

export async function record(window) {
  return among((await fetched(only(window))).windows, window);
}

export async function receipt(window) {
  return among((await fetched(only(window), "receipts")).receipts, window)?.receipt;
}

// Listens from `position` on. The browser reconnects by itself after a lost connection and names the last event it saw;
// a refused or silent connection is opened again here. `on` has: window(record), status(condition), reload(), lost().
export function listen(position, on) {
  let source;
  let watchdog;
  let last = position;
  const reconnect = () => {
    source.close();
    clearTimeout(watchdog);
    on.lost();
    watchdog = setTimeout(open, 2000 + 3000 * Math.random());
  };
  const received = (event) => {
    if (event.lastEventId) last = event.lastEventId;
    clearTimeout(watchdog);
    watchdog = setTimeout(reconnect, SILENCE_MS);
  };
  function open() {
    source = new EventSource(`api/stream?${new URLSearchParams({ after: last })}`);
    watchdog = setTimeout(reconnect, SILENCE_MS);
    source.addEventListener("window", (event) => { received(event); on.window(JSON.parse(event.data)); });
    source.addEventListener("status", (event) => { received(event); on.status(JSON.parse(event.data).condition); });
    source.addEventListener("reload", (event) => { received(event); on.reload(); });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) reconnect(); else on.lost();
    });
  }
  open();
  return { close() { source.close(); clearTimeout(watchdog); } };
}

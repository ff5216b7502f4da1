// What the page asks of the consumer: windows once, then a stream of events.

const SILENCE_MS = 40000; // the server says something every 15 s

async function fetched(query) {
  const answer = await fetch(`api/windows?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).slice(0, 200)}`);
  return answer.json();
}

export const allTotals = () => fetched({ fields: "totals", limit: 20160 });

export async function record(window) {
  const { windows } = await fetched({
    from: new Date(window.start).toISOString(), to: new Date(window.start + 1).toISOString(), limit: 10,
  });
  return windows.find((each) => Date.parse(each.window_end) === window.end);
}

// Listens from `position` on. A connection that ends is made anew by the browser, which names the last event it saw;
// one that was refused or fell silent is made anew here. `on` has: window(record), status(condition), reload(), lost().
export function listen(position, on) {
  let source;
  let watchdog;
  let last = position;
  const again = () => {
    source.close();
    clearTimeout(watchdog);
    on.lost();
    watchdog = setTimeout(open, 2000 + 3000 * Math.random());
  };
  const heard = (event) => {
    if (event.lastEventId) last = event.lastEventId;
    clearTimeout(watchdog);
    watchdog = setTimeout(again, SILENCE_MS);
  };
  function open() {
    source = new EventSource(`api/stream?${new URLSearchParams({ after: last })}`);
    watchdog = setTimeout(again, SILENCE_MS);
    source.addEventListener("window", (event) => { heard(event); on.window(JSON.parse(event.data)); });
    source.addEventListener("status", (event) => { heard(event); on.status(JSON.parse(event.data).condition); });
    source.addEventListener("reload", (event) => { heard(event); on.reload(); });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) again(); else on.lost();
    });
  }
  open();
  return { close() { source.close(); clearTimeout(watchdog); } };
}

// The snippet of Clickstream: docs/snippet.md says what it does and why.
(() => {
  "use strict";
  const PREFIX = "clickstream:";
  const VISITOR = PREFIX + "visitor";
  const SESSION = PREFIX + "session";
  const CONSENT = PREFIX + "consent";
  const SOURCE = '[src*="/clickstream.js"]';
  const SESSION_MS = 18e5;
  const LEASE_MS = 6e4;
  const REPEAT_MS = 3e5;
  const MOST_EVENTS = 1000;
  const BATCH_EVENTS = 50;
  const BATCH_LENGTH = 2e4;

  // The page must not notice what goes wrong here.
  const safe = (f) => (...given) => {
    try {
      return f(...given);
    } catch {}
  };
  const on = (target, types, f) => types.split(" ").forEach((type) => target.addEventListener(type, safe(f), true));
  const uuid = () => crypto.randomUUID ? crypto.randomUUID()
    : "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
      (digit ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> digit / 4).toString(16));

  let local = Object.freeze({});
  safe(() => { local = window.localStorage || local; })();
  const write = (key, value) => {
    try {
      local[key] = value;
      return true;
    } catch {
      return false;
    }
  };
  const erase = (key) => { delete local[key]; };

  const current = document.currentScript;
  const find = (selector) => document.querySelector(selector);
  const script = current && current.matches("[data-endpoint]," + SOURCE) ? current
    : find("script" + SOURCE) || find("script[data-endpoint]");
  const options = script ? script.dataset : {};
  let wanted = options.consent !== "denied" && (options.consent !== "required" || CONSENT in local);
  let running = false;
  let gone = false; // between pagehide and pageshow

  const tab = PREFIX + uuid().slice(0, 8);
  const mine = new Map();
  const flying = new Set(); // under way in requests that outlive the page
  let lease = 0;
  let number = 0;
  let busy = false;
  let timer, tries = 0, notBefore = 0, batchEvents = BATCH_EVENTS;

  const own = (ms) => {
    const now = Date.now();
    if (now > lease) mine.forEach(({ kept }, key) => kept && !(key in local) && mine.delete(key));
    lease = now + ms + LEASE_MS;
    write(tab, lease);
  };
  const done = (key) => {
    mine.delete(key);
    erase(key);
  };
  const put = (given) => {
    const key = tab + ":" + number++;
    const json = given.replace(/\\(\\|ud[89a-f]..)/g, (escape, kind) => kind[1] ? "\ufffd" : escape);
    mine.set(key, { json, kept: write(key, json) });
    if (mine.size > MOST_EVENTS) done(mine.keys().next().value);
  };
  // Takes what former tabs left; whether living ones have something.
  const adopt = () => {
    const now = Date.now();
    let others = false;
    for (const key of Object.keys(local).sort().reverse()) {
      const [, owner, event] = key.match(/^(clickstream:[\da-f]{8})(:\d+)?$/) || [];
      if (!owner || owner === tab) continue;
      if (local[owner] > now) {
        others = true;
        continue;
      }
      const json = local[key];
      erase(key);
      safe(() => {
        const { event_type, timestamp } = event ? JSON.parse(json) : {};
        const over = event_type === "page_leave" && !(owner in local) && now - Date.parse(timestamp) > REPEAT_MS;
        if (event_type && !over) put(json);
      })();
    }
    return others;
  };
  const wake = (ms) => { timer = timer || setTimeout(safe(flush), ms); };
  const flush = (leaving) => {
    timer = clearTimeout(timer);
    if (!running || gone) return;
    const wait = Math.max(0, notBefore - Date.now());
    own(wait);
    if (!leaving && adopt()) wake(2000);
    const batches = [];
    let length = BATCH_LENGTH;
    mine.forEach(({ json }, key) => {
      if (flying.has(key)) return;
      length += json.length + 1;
      const last = batches[batches.length - 1];
      if (length < BATCH_LENGTH && last && last.length < batchEvents) return last.push(key);
      batches.push([key]);
      length = json.length;
    });
    if (!mine.size) erase(tab);
    if (leaving) batches.forEach((batch) => post(batch, true));
    else if (wait) wake(wait);
    else if (batches.length && !busy) post(batches[0], false);
  };
  const post = async (batch, leaving) => {
    const keepalive = leaving || !tries;
    const body = `[${batch.map((key) => mine.get(key).json)}]`;
    let answer = {};
    if (keepalive) batch.forEach((key) => flying.add(key));
    if (!leaving) busy = true;
    url.searchParams.set("sent_at", new Date().toISOString());
    try {
      const signal = AbortSignal.timeout ? AbortSignal.timeout(2e4) : null;
      answer = await fetch(url.href, { method: "POST", body, keepalive, credentials: "omit", signal });
    } catch {
      if (leaving) safe(() => navigator.sendBeacon(url.href, body))();
    }
    batch.forEach((key) => flying.delete(key));
    if (!leaving) busy = false;
    safe(() => {
      const { status } = answer;
      if (answer.ok) {
        tries = notBefore = 0;
        batchEvents = BATCH_EVENTS;
        batch.forEach(done);
      } else if (status === 413 && batch.length > 1) {
        batchEvents = batch.length >> 1;
      } else if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
        batch.forEach(done);
      } else {
        const after = status ? answer.headers.get("Retry-After") : 0;
        notBefore = Date.now() + (Math.min(after, 3600) * 1000 || 500 * 2 ** tries) * (1 + Math.random() / 2);
        tries = Math.min(tries + 1, 7);
      }
      flush();
    })();
  };

  let url, page, at, since, settling, session, device;

  safe(() => {
    const { maxTouchPoints, platform, userAgent } = navigator;
    const hidden = platform === "MacIntel" || /X11; L/.test(userAgent) && matchMedia("(pointer:coarse)").matches;
    if (maxTouchPoints > 1 && hidden) device = Math.min(screen.width, screen.height) < 600 ? "mobile" : "tablet";
  })();
  const names = (options.keptParameters || "").replace(/[^\w.*-]+/g, "|").replace(/\*/g, "[^=&]*");
  const kept = names && RegExp(`[?&](${names})(?![^=&])[^&]*`, "g");
  const path = (query = "") => {
    const { protocol, pathname, hash } = location;
    return (protocol === "file:" ? pathname.replace(/.*\//, "file:///") : pathname) + query
      + (hash.match(/^#[/!][^?#]*/) || "");
  };
  const record = (type, fields) => {
    if (!running) return;
    settle();
    const now = Date.now();
    if (type !== "page_leave") {
      const [id, seen] = (local[SESSION] || "").split(" ");
      session = now - seen < SESSION_MS ? id : uuid();
      if (!write(SESSION, session + " " + now)) session = undefined;
    }
    if (!local[VISITOR]) write(VISITOR, uuid());
    own(0);
    put(JSON.stringify({
      event_id: uuid(), timestamp: new Date(now).toISOString(), user_id: local[VISITOR], session_id: session,
      event_type: type, ...page, device_type: device,
      scenario: options.scenario, memberId: options.memberId, ...fields,
    }));
    wake(0);
  };
  const settle = () => {
    if (!settling) return;
    settling = clearTimeout(settling);
    const meta = find('meta[name="page-category"]');
    page.page_category = meta ? meta.content : options.pageCategory;
    record("page_view");
  };
  const arrive = (referrer) => {
    at = path();
    page = { page_url: path((kept && location.search.match(kept) || []).join("").replace(/^&/, "?")), referrer };
    clearTimeout(settling);
    settling = setTimeout(safe(settle), 50);
    resume();
  };
  const resume = () => { since = document.hidden ? -1 : performance.now(); };
  const rest = () => {
    settle();
    if (since >= 0) record("page_leave", { duration_ms: Math.round(performance.now() - since) });
    since = -1;
  };
  const moved = safe(() => {
    if (!running || path() === at) return;
    let referrer = "";
    if (settling) ({ referrer } = page); // a page that was never seen
    else rest();
    arrive(referrer);
  });
  const click = (event) => {
    if (event.type === "auxclick" && event.button !== 1) return;
    const nearest = (selector) => event.composedPath().find((each) =>
      each instanceof Element && Element.prototype.matches.call(each, selector));
    const link = nearest("a[href]");
    const outbound = link && /^http/.test(link.protocol) && link.host !== location.host;
    const tracked = nearest("[data-track],[data-scenario]");
    const element = tracked || outbound && link;
    if (!element) return;
    const attribute = (name) => element.getAttribute(name);
    record(attribute("data-track-type") || "click", {
      tag: attribute("data-track") || (tracked ? element.tagName : "outbound"),
      id: attribute("id") || (outbound ? link.host : undefined),
      ...attribute("data-scenario") && element.dataset,
    });
  };

  const update = () => {
    if (!wanted || !script || navigator.doNotTrack === "1" || navigator.globalPrivacyControl) {
      running = false;
      settling = clearTimeout(settling);
      mine.clear();
      Object.keys(local).forEach((key) => key.startsWith(PREFIX) && erase(key));
    } else if (document.prerendering) {
      on(document, "prerenderingchange", update);
    } else if (!running) {
      url = new URL(options.endpoint || "/ingest", options.endpoint ? location.href : script.src);
      if (url.pathname === "/") url.pathname = "/ingest";
      if (options.key) url.searchParams.set("key", options.key);
      if (options.consent === "required") write(CONSENT, 1);
      running = true;
      const from = document.referrer;
      arrive(from && new URL(from).host !== location.host ? from : "");
    }
  };
  if (safe(() => window.clickstream.track)()) return;
  window.clickstream = {
    track: safe((type, given) => {
      const fields = {};
      Object.keys(Object(given)).forEach(safe((name) => { fields[name] = JSON.parse(JSON.stringify(given[name])); }));
      if (type && typeof type === "string") record(type, fields);
    }),
    consent: safe((given) => {
      wanted = !!given;
      update();
    }),
  };
  safe(() => ["pushState", "replaceState"].forEach((name) => {
    const original = history[name];
    history[name] = function (...given) {
      const result = original.apply(this, given);
      moved();
      return result;
    };
  }))();
  on(window, "popstate hashchange", moved);
  on(document, "click auxclick", click);
  on(document, "visibilitychange", () => {
    if (gone) return;
    if (document.hidden) rest();
    else resume();
    flush(document.hidden);
  });
  on(window, "pagehide", () => {
    rest();
    flush(true);
    gone = true;
    lease = 0;
    erase(tab);
    if (running && (tries || !navigator.onLine)) write(tab, 0);
  });
  on(window, "pageshow", (event) => {
    gone = false;
    if (event.persisted && running) arrive("");
  });
  on(window, "online", () => {
    tries = notBefore = 0;
    flush();
  });
  on(window, "storage", ({ key, newValue }) => {
    if (key === VISITOR && !newValue && running) {
      wanted = false;
      update();
    }
  });
  safe(update)();
})();

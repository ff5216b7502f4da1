// The totals of all windows that the server keeps, oldest first. Only a few numbers are kept for each window, so the
// page's memory is bounded however long it is open.

const MAX_WINDOWS = 20160;
const KEPT_MS = 7 * 24 * 3600 * 1000;

export const FIGURES = ["total_events", "unique_users", "unique_sessions", "avg_duration_ms"];

export function totalsOf(record) {
  return {
    start: Date.parse(record.window_start),
    end: Date.parse(record.window_end),
    revision: record.revision,
    total_events: record.total_events,
    unique_users: record.unique_users,
    unique_sessions: record.unique_sessions,
    avg_duration_ms: record.avg_duration_ms,
  };
}

const before = (a, b) => a.end - b.end || a.start - b.start;

export class Windows {
  all = [];

  replaceAll(records) {
    this.all = records.map(totalsOf).sort(before);
  }

  // Returns "new", "revised" or "known".
  put(record) {
    const totals = totalsOf(record);
    let at = this.all.length;
    while (at > 0 && before(this.all[at - 1], totals) > 0) at -= 1;
    const known = this.all[at - 1];
    if (known && before(known, totals) === 0) {
      if (known.revision >= totals.revision) return "known";
      this.all[at - 1] = totals;
      return "revised";
    }
    this.all.splice(at, 0, totals);
    const oldest = this.newest.end - KEPT_MS;
    while (this.all.length > MAX_WINDOWS || this.all[0].end <= oldest) this.all.shift();
    return "new";
  }

  get newest() {
    return this.all[this.all.length - 1];
  }

  indexOf(window) {
    return this.all.findIndex((each) => each.start === window.start && each.end === window.end);
  }

  lastHours(hours) {
    const oldest = this.all.length ? this.newest.end - hours * 3600000 : 0;
    return this.all.filter((each) => each.start >= oldest);
  }
}

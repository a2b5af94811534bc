// The fleet's figures over the last minutes. Processes tell totals; what happened between two
// looks is their difference.
const KEPT = 150;

class Figures {
  constructor() {
    this.before = null;
    this.lines = { requests: [], events: [], failures: [], mean: [], slowest: [], lag: [] };
  }

  add(workers, now = Date.now()) {
    const before = this.before;
    this.before = { at: now, of: new Map(workers.map((one) => [one.worker, one.figures])) };
    if (!before) return;
    const seconds = (now - before.at) / 1000;
    const grown = (name) => workers.reduce((sum, { worker, figures }) => {
      const was = before.of.get(worker)?.[name];
      return was === undefined || figures[name] === undefined ? sum : sum + Math.max(0, figures[name] - was);
    }, 0);
    const most = (name) => Math.max(0, ...workers.map((one) => one.figures[name] ?? 0));
    const timed = grown("timed");
    this.push({
      requests: grown("requests") / seconds,
      events: grown("events") / seconds,
      failures: grown("failures") / seconds,
      mean: timed ? (grown("timed_seconds") / timed) * 1000 : null,
      slowest: most("slowest_seconds") * 1000,
      lag: most("loop_lag_seconds") * 1000,
    });
  }

  push(values) {
    for (const [name, value] of Object.entries(values)) {
      this.lines[name].push(value);
      if (this.lines[name].length > KEPT) this.lines[name].shift();
    }
  }
}

/** Kept while other views are shown. */
export const figures = new Figures();

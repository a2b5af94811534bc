// The tenant's sessions as they are now: read once, then kept by events.
import { everything, get } from "./api.js";

class Store extends EventTarget {
  constructor() {
    super();
    this.clear();
  }

  clear() {
    this.sessions = new Map();
    this.loaded = false;
    this.told();
  }

  told() {
    this.dispatchEvent(new Event("change"));
  }

  async load() {
    const { items } = await everything("/sessions");
    this.sessions = new Map(items.map((one) => [one.id, one]));
    this.loaded = true;
    this.told();
  }

  put(session) {
    const kept = this.sessions.get(session.id);
    // An answer may be older than an event that overtook it.
    if (!kept || kept.since <= session.since) this.sessions.set(session.id, session);
    else this.sessions.set(session.id, { ...session, state: kept.state, reason: kept.reason, since: kept.since, worker: kept.worker });
    this.told();
  }

  remove(id) {
    this.sessions.delete(id);
    this.told();
  }

  list() {
    return [...this.sessions.values()];
  }

  apply(event) {
    if (event.type !== "session.state_changed") return;
    const { data } = event;
    const known = this.sessions.get(event.session);
    if (known && known.since <= event.time) {
      const changed = { ...known, state: data.state, reason: data.reason, detail: data.detail, until: data.until, worker: data.worker, since: event.time };
      if (data.jid) Object.assign(changed, { jid: data.jid, phone: data.jid.split("@")[0], linked: true });
      if (data.state === "logged_out") Object.assign(changed, { linked: false, phone: undefined });
      this.sessions.set(event.session, changed);
      this.told();
    }
    // The row has what the event has not: names, the wish, a session made in another window.
    if (!known || ["connected", "stopped", "logged_out"].includes(data.state)) {
      get(`/sessions/${event.session}`).then((row) => this.put(row), () => {});
    }
  }
}

export const store = new Store();

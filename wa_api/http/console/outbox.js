// What waits to be sent: shown at once, sent in order, never twice. Texts outlive a reload of the tab.
import { Problem, account, post, upload } from "./api.js";

const newRef = () => `web-${crypto.getRandomValues(new Uint32Array(4)).join("")}`;
const passing = (problem) =>
  problem instanceof Problem && (problem.status === 0 || problem.status >= 500 || problem.status === 429);

/** Calls `changed(chat)` when an entry comes or changes, `sent(message)` when the gateway has it. */
export class Outbox {
  constructor(path, { changed, sent }) {
    this.place = `wa.outbox ${account.current().me.subject} ${path}`; // nobody sends what another wrote
    Object.assign(this, { path, changed, sent, list: JSON.parse(sessionStorage.getItem(this.place) ?? "[]") });
    this.leaving = (event) => this.list.length && event.preventDefault();
    addEventListener("beforeunload", this.leaving);
  }

  keep() {
    // What was refused is not tried again unasked.
    const texts = this.list.filter((one) => one.status === "waiting" && !one.file);
    try {
      if (texts.length) sessionStorage.setItem(this.place, JSON.stringify(texts));
      else sessionStorage.removeItem(this.place);
    } catch { /* the browser's room is used up: the page still has them */ }
  }

  of(chat) {
    return this.list.filter((one) => one.chat === chat);
  }

  /** `body` is what the API takes without `to`; the same key goes with every try. `shown` has its
   * text, and perhaps the file that is to be brought first. */
  add(chat, body, shown = {}) {
    this.list.push({ ref: newRef(), chat, body, status: "waiting", at: Date.now(), ...shown });
    this.keep();
    this.changed(chat);
    this.flush();
  }

  retry(entry) {
    Object.assign(entry, { status: "waiting", problem: null });
    this.keep();
    this.changed(entry.chat);
    this.flush();
  }

  remove(entry) {
    entry.ending?.abort();
    this.list = this.list.filter((one) => one !== entry);
    this.keep();
    this.changed(entry.chat);
  }

  /** An event told of the message before the answer did. */
  arrived(ref) {
    if (!this.list.some((one) => one.ref === ref)) return;
    this.list = this.list.filter((one) => one.ref !== ref);
    this.keep();
  }

  async flush() {
    if (this.flushing || this.ended) return;
    this.flushing = true;
    try {
      let entry;
      while (!this.ended && (entry = this.list.find((one) => one.status === "waiting"))) {
        if (!(await this.attempt(entry))) {
          clearTimeout(this.timer);
          this.timer = setTimeout(() => this.flush(), 2000);
          return;
        }
      }
    } finally {
      this.flushing = false;
    }
  }

  /** False when it is worth another try later. */
  async attempt(entry) {
    try {
      const body = { to: entry.chat, ref: entry.ref, ...entry.body };
      if (entry.file) body[body.type] = { ...body[body.type], id: await this.bring(entry) };
      const message = await post(this.path, body, { headers: { "Idempotency-Key": entry.ref } });
      this.list = this.list.filter((one) => one !== entry);
      this.keep();
      this.sent(message);
    } catch (problem) {
      if (!this.list.includes(entry)) return true; // taken back while it was brought
      if (passing(problem)) return false;
      Object.assign(entry, { status: "refused", problem });
      this.keep();
    }
    this.changed(entry.chat);
    return true;
  }

  /** The file goes first; what is there already is not brought again. */
  async bring(entry) {
    if (entry.media) return entry.media;
    entry.ending = new AbortController();
    const kind = entry.body.audio?.voice ? "voice" : entry.body.type;
    const { id } = await upload("/media", { kind, filename: entry.file.name || undefined }, entry.file, entry.ending.signal, (progress) => {
      entry.progress = progress;
      this.changed(entry.chat);
    });
    entry.media = id;
    return id;
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    removeEventListener("beforeunload", this.leaving);
  }
}

// The WebSocket: one connection, resumed where it stopped; nothing is missed, nothing comes twice.
import { account } from "./api.js";

const KEPT = 1000; // events for the inspector
const AWAY = { 4003: "out", 4009: "stop", 1003: "stop" };

class Feed extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { state: "closed", cursor: null, worker: null, recent: [], tries: 0 });
    addEventListener("online", () => this.retryNow());
    addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => !document.hidden && this.retryNow());
    account.addEventListener("renewed", () => this.say({ type: "auth", ref: "auth", token: account.current()?.access }));
  }

  start() {
    this.stop();
    Object.assign(this, { wanted: true, cursor: null, recent: [], tries: 0 });
    this.connect();
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    clearInterval(this.heart);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.become("closed");
  }

  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  async connect() {
    clearTimeout(this.timer);
    this.become(this.tries ? "offline" : "connecting");
    let token;
    try {
      token = await account.token();
    } catch {
      return this.later();
    }
    if (!this.wanted || this.socket) return;
    const url = new URL("/v1/ws", location.origin.replace("http", "ws"));
    if (this.cursor !== null) url.searchParams.set("after", this.cursor);
    const socket = new WebSocket(url, ["wa-api.v1", `bearer.${token}`]);
    this.socket = socket;
    this.heard = Date.now();
    socket.onmessage = ({ data }) => socket === this.socket && this.frame(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.socket && this.closed(code);
  }

  closed(code) {
    this.socket = null;
    clearInterval(this.heart);
    if (!this.wanted) return;
    if (AWAY[code] === "out") return account.lost();
    this.later(code === 1012 ? 100 : undefined);
  }

  later(ms) {
    this.become("offline");
    clearTimeout(this.timer);
    const wait = ms ?? Math.min(500 * 2 ** this.tries, 10_000) * (0.5 + Math.random() / 2);
    this.tries += 1;
    this.timer = setTimeout(() => this.wanted && this.connect(), wait);
  }

  retryNow() {
    if (!this.wanted || this.socket) return;
    this.connect();
  }

  say(frame) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  frame(frame) {
    this.heard = Date.now();
    if (frame.type === "hello") return this.hello(frame);
    if (frame.type === "ping") return this.say({ type: "pong" });
    if (frame.type === "event") return this.happened(frame.event);
    if (frame.type === "gap") {
      this.cursor = frame.goes_on;
      this.dispatchEvent(new Event("reload"));
    }
    if (frame.type === "notice" && frame.notice === "token_expires_soon") {
      const now = account.current();
      if (now?.refresh || now?.kind === "api_key") account.token(now.access).catch(() => {});
    }
    if (frame.type === "notice" && frame.notice === "bus_unavailable") this.become("waiting");
    if (frame.type === "notice" && frame.notice === "bus_available") this.become("live");
  }

  hello(frame) {
    const again = this.tries > 0;
    Object.assign(this, { worker: frame.worker, tries: 0 });
    clearInterval(this.heart);
    this.heart = setInterval(() => {
      if (Date.now() - this.heard > frame.heartbeat * 3000) this.socket?.close();
    }, 1000);
    const fresh = this.cursor === null;
    if (fresh) this.cursor = frame.cursor;
    document.documentElement.dataset.worker = frame.worker;
    if (fresh) this.become("live");
    else {
      this.become("catching-up");
      this.quiet();
    }
    if (again && fresh) this.dispatchEvent(new Event("reload"));
  }

  /** No frame says where what was missed ends: a moment without events is taken for it. */
  quiet() {
    clearTimeout(this.calm);
    this.calm = setTimeout(() => this.socket && this.state === "catching-up" && this.become("live"), 400);
  }

  happened(event) {
    if (this.state === "catching-up") this.quiet();
    if (BigInt(event.id) <= BigInt(this.cursor ?? 0)) return;
    this.cursor = event.id;
    this.recent.push(event);
    if (this.recent.length > KEPT) this.recent.splice(0, this.recent.length - KEPT);
    if (event.type === "log.gap") this.dispatchEvent(new Event("reload"));
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }
}

export const feed = new Feed();

/** Wait for an event; null when it did not come in time. */
export function until(accept, ms, signal) {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = (value) => {
      clearTimeout(timer);
      ended.abort();
      resolve(value);
    };
    const timer = setTimeout(() => end(null), ms);
    signal?.addEventListener("abort", () => end(null), { signal: ended.signal });
    feed.addEventListener("event", ({ detail }) => accept(detail) && end(detail), { signal: ended.signal });
  });
}

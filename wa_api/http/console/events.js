// What happens, as it happens: filter, hold, copy.
import { View, busy, h, toast } from "./dom.js";
import { feed } from "./feed.js";
import { nameOf } from "./sessions.js";
import { store } from "./store.js";
import { clock, t } from "./words.js";

const SHOWN = 300;

class Events extends View {
  open() {
    const redraw = () => this.draw();
    this.type = h("select", { "aria-label": t("events.type"), onchange: redraw }, h("option", { value: "" }, t("events.all_types")),
      ["session.", "message.", "chat.", "contact.", "group.", "webhook.", "log."].map((family) => h("option", { value: family }, `${family}*`)));
    this.session = h("select", { "aria-label": t("chat.session"), onchange: redraw });
    this.text = h("input", { type: "search", placeholder: t("events.filter"), "aria-label": t("events.filter"), oninput: redraw });
    this.hold = h("button", { type: "button", "aria-pressed": "false", data: { act: "pause" }, onclick: () => this.pause() }, t("events.pause"));
    this.count = h("p.hint", { role: "status" });
    this.list = h("ol.events", { "aria-label": t("nav.events") });
    this.replaceChildren(h("header.head", h("h1", t("nav.events"))),
      h("div.tools", this.type, this.session, this.text, this.hold,
        h("button", { type: "button", data: { act: "copy" }, onclick: busy(() => this.copy(this.wanted()), () => toast(t("copy_failed"), "bad")) }, t("events.copy"))),
      this.count, this.list);
    this.on(feed, "event", () => this.soon());
    this.on(store, "change", () => this.sessions());
    this.sessions();
    this.draw();
  }

  sessions() {
    const value = this.session.value;
    this.session.replaceChildren(h("option", { value: "" }, t("events.all_sessions")),
      ...store.list().map((one) => h("option", { value: one.id }, nameOf(one))));
    this.session.value = value;
  }

  /** A burst of events is drawn once. */
  soon() {
    if (this.paused) return this.counted();
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.gone.aborted) this.draw();
    });
  }

  pause() {
    this.paused = this.paused ? null : [...feed.recent];
    this.hold.setAttribute("aria-pressed", String(Boolean(this.paused)));
    this.hold.textContent = t(this.paused ? "events.go_on" : "events.pause");
    this.draw();
  }

  wanted() {
    const text = this.text.value.trim().toLowerCase();
    return (this.paused ?? feed.recent).filter((event) =>
      event.type.startsWith(this.type.value)
      && (!this.session.value || event.session === this.session.value)
      && (!text || JSON.stringify(event).toLowerCase().includes(text)));
  }

  counted(shown = this.list.childElementCount) {
    const waiting = this.paused ? feed.recent.filter((one) => BigInt(one.id) > BigInt(this.paused.at(-1)?.id ?? 0)).length : 0;
    this.count.textContent = waiting ? t("events.held", { count: waiting }) : shown ? "" : t("events.none");
  }

  draw() {
    const wanted = this.wanted().slice(-SHOWN).reverse();
    this.kept ??= new Map();
    const nodes = wanted.map((event) => this.kept.get(event.id) ?? this.item(event));
    this.kept = new Map(wanted.map((event, n) => [event.id, nodes[n]]));
    this.list.replaceChildren(...nodes);
    this.counted(nodes.length);
  }

  item(event) {
    const summary = h("summary", h("time", { datetime: event.time }, clock(event.time, true)), h("code", event.type),
      h("span", h("bdi", event.session ? nameOf(store.sessions.get(event.session) ?? { id: event.session }) : "")));
    const details = h("details", summary);
    details.addEventListener("toggle", () => {
      if (!details.open || details.querySelector("pre")) return;
      details.append(h("pre", { tabIndex: 0 }, JSON.stringify(event, null, 2)),
        h("button.quiet", { type: "button", onclick: busy(() => this.copy(event), () => toast(t("copy_failed"), "bad")) }, t("copy")));
    });
    return h("li", { data: { type: event.type } }, details);
  }

  async copy(what) {
    await copyText(JSON.stringify(what, null, 2));
  }
}

/** Browsers give the clipboard to https and localhost only; else this raises. */
export async function copyText(text) {
  await navigator.clipboard.writeText(text);
  toast(t("copied"));
}

customElements.define("wa-events", Events);

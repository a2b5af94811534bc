// The sessions of the tenant: what each is, why, who runs it, and what can be done with it.
import { account, del, explain, get, post } from "./api.js";
import { go } from "./app.js";
import { View, busy, dialog, field, h, icon, toast } from "./dom.js";
import { linkDialog } from "./link.js";
import { store } from "./store.js";
import { ago, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
const ONLINE = ["connected", "restricted"];
const BUSY = ["starting", "pairing", "reconnecting"];

/** A session's state as a word with a colour. */
export function stateBadge(session) {
  const kind = session.state === "connected" ? "good" : BUSY.includes(session.state) ? "wait"
    : session.state === "stopped" ? "idle" : "bad";
  return h(`span.badge.${kind}`, { data: { state: session.state } }, t(`state.${session.state}`));
}

export const nameOf = (session) => session.name || (session.phone && `+${session.phone}`) || session.id.slice(0, 12);

/** Whether this gateway has a sandbox that the caller may use. */
export async function hasSandbox() {
  if (!account.may("sandbox")) return false;
  return get("/sandbox/network").then(() => true, () => false);
}

/** Ask for a name and a network, then create the session; null when closed. */
export async function createDialog() {
  const sandbox = await hasSandbox();
  return dialog(t("sessions.new"), t("close"), (done) => {
    const name = h("input", { name: "name", maxlength: "100", autofocus: true, placeholder: t("sessions.name_example") });
    const network = h("select", { name: "network" },
      sandbox && h("option", { value: "sandbox" }, t("network.sandbox")),
      h("option", { value: "whatsapp" }, t("network.whatsapp")));
    const create = async () => {
      const made = await post("/sessions", { name: name.value.trim() || null, network: network.value });
      store.put(made);
      done(made);
    };
    return h("form", { onsubmit: busy(create, tell) },
      field(t("sessions.name"), name), field(t("sessions.network"), network, sandbox && t("network.hint")),
      h("footer", h("button.primary", t("sessions.create"))));
  });
}

/** Ask before something that cannot be taken back. */
export function confirmed(title, text, label) {
  return dialog(title, t("close"), (done) => h("div",
    h("p", text),
    h("footer", h("button", { type: "button", onclick: () => done(false), autofocus: true }, t("cancel")),
      h("button.danger", { type: "button", onclick: () => done(true) }, label))));
}

class Sessions extends View {
  open() {
    const may = account.may("sessions:write");
    this.rows = new Map();
    this.list = h("ul.rows", { "aria-label": t("nav.sessions") });
    this.empty = h("p.empty");
    this.replaceChildren(
      h("header.head", h("h1", t("nav.sessions")),
        may && h("button.primary", { type: "button", onclick: busy(() => this.create(), tell), data: { act: "create" } }, icon("plus"), t("sessions.new"))),
      this.empty, this.list);
    this.on(store, "change", () => this.draw());
    this.every(15_000, () => this.draw());
    this.draw();
  }

  async create() {
    const made = await createDialog();
    if (made) await linkDialog(made);
  }

  draw() {
    const sessions = store.list();
    this.empty.textContent = sessions.length ? "" : store.loaded ? t("sessions.none") : t("loading");
    const wanted = new Set(sessions.map((one) => one.id));
    for (const [id, row] of this.rows) if (!wanted.has(id)) { row.node.remove(); this.rows.delete(id); }
    for (const session of sessions) this.row(session);
  }

  /** A row is drawn anew only when it changed, so that the keyboard's place is kept. */
  row(session) {
    const mark = JSON.stringify(session) + ago(session.since);
    const kept = this.rows.get(session.id);
    if (kept?.mark === mark) return;
    const focused = kept?.node.contains(document.activeElement) && document.activeElement.dataset.act;
    const node = h("li.row", { data: { session: session.id } }, this.about(session), this.actions(session));
    if (kept) kept.node.replaceWith(node);
    else this.list.append(node);
    this.rows.set(session.id, { node, mark });
    if (focused) node.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  about(session) {
    const reason = t.maybe(`reason.${session.reason}`) ?? session.reason;
    return [
      h("div.who", h("strong", h("bdi", nameOf(session))),
        h("small", session.phone ? `+${session.phone}` : t("sessions.not_linked"), " · ", t.maybe(`network.${session.network}`) ?? session.network),
        session.proxy && h("small", t("sessions.proxy", { proxy: session.proxy }))),
      h("div.state", stateBadge(session),
        h("small", reason, " · ", h("time", { datetime: session.since }, ago(session.since))),
        session.until && h("small", t("sessions.until", { time: new Date(session.until).toLocaleString() }))),
      h("div.owner", h("small", t("sessions.owner")), h("code", { title: session.worker ?? "" }, session.worker ? session.worker.slice(-8) : "–")),
    ];
  }

  actions(session) {
    const write = account.may("sessions:write");
    const runs = session.desired === "running" && session.state !== "stopped" && (ONLINE.includes(session.state) || BUSY.includes(session.state));
    const button = (act, label, work, kind = "") =>
      h(`button${kind}`, { type: "button", data: { act }, onclick: busy(work, tell) }, label);
    return h("div.actions",
      session.linked && account.may("messages:read") && button("chat", t("sessions.chat"), () => go(`chat/${session.id}`)),
      write && !session.linked && button("link", t("sessions.link"), () => linkDialog(session), ".primary"),
      write && session.linked && !runs && button("start", t("sessions.start"), () => this.run(session, "start"), ".primary"),
      write && runs && button("stop", t("sessions.stop"), () => this.run(session, "stop")),
      session.network === "sandbox" && session.linked && account.may("sandbox") &&
        button("phone", t("sessions.phone"), () => this.phone(session)),
      write && session.linked && ONLINE.includes(session.state) && button("logout", t("sessions.logout"), () => this.logOut(session)),
      write && button("settings", t("sessions.settings"), () => this.settings(session)),
      write && button("delete", t("sessions.delete"), () => this.erase(session), ".quiet"));
  }

  async run(session, what) {
    store.put(await post(`/sessions/${session.id}/${what}`));
  }

  async phone(session) {
    const { phoneDialog } = await import("./phone.js");
    await phoneDialog(session);
  }

  async settings(session) {
    const { settingsDialog } = await import("./settings.js");
    await settingsDialog(session);
  }

  async logOut(session) {
    const text = t("sessions.logout_text", { name: nameOf(session) });
    if (await confirmed(t("sessions.logout"), text, t("sessions.logout"))) await this.run(session, "logout");
  }

  async erase(session) {
    const text = t("sessions.delete_text", { name: nameOf(session) });
    if (!(await confirmed(t("sessions.delete"), text, t("sessions.delete")))) return;
    await del(`/sessions/${session.id}`);
    store.remove(session.id);
  }
}

customElements.define("wa-sessions", Sessions);

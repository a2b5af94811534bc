// Reading and writing: sessions and chats on the left, one chat in the middle.
import { account, explain, get } from "./api.js";
import { go } from "./app.js";
import { summary } from "./bubble.js";
import { chatsOf, forgetChats } from "./chats.js";
import { View, busy, dialog, field, h, icon, toast } from "./dom.js";
import { LongList } from "./list.js";
import { phoneOf, newPhone } from "./phone.js";
import { nameOf } from "./sessions.js";
import { store } from "./store.js";
import { titleOf } from "./thread.js";
import { short, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");

account.addEventListener("switched", forgetChats);
account.addEventListener("out", forgetChats);

class Chat extends View {
  open() {
    this.picker = h("select", { "aria-label": t("chat.session"), onchange: () => go(`chat/${this.picker.value}`) });
    this.filter = h("input", { type: "search", placeholder: t("chat.filter"), "aria-label": t("chat.filter"), oninput: () => this.typed() });
    this.listed = h("ul.chats", { "aria-label": t("nav.chat") });
    this.box = h("div.scroll", { tabIndex: 0 }, this.listed);
    this.none = h("p.empty", { hidden: true });
    this.middle = h("section.thread", { "aria-label": t("chat.messages") });
    this.side = h("aside.side", { "aria-label": t("phone.title"), hidden: true });
    const fresh = account.may("messages:write") && h("button.icon-only", { type: "button", "aria-label": t("chat.new"), title: t("chat.new"), data: { act: "new-chat" }, onclick: () => this.fresh() }, icon("plus"));
    this.replaceChildren(h("h1.unseen", t("nav.chat")), h("div.chatting",
      h("section.left", { "aria-label": t("nav.chat") }, h("header", this.picker, fresh), this.filter, this.none, this.box),
      this.middle, this.side));
    this.list = new LongList(this.box, this.listed, {
      key: (chat) => chat.id, mark: (chat) => this.mark(chat), draw: (chat) => this.item(chat), guess: 66, near: (end) => this.near(end),
    });
    this.on(store, "change", () => this.drawPicker());
    this.drawPicker();
    this.moved(this.place ?? []);
  }

  close() {
    this.list.end();
  }

  async moved([session, chat, message]) {
    this.place = [session, chat, message];
    if (!session) {
      await this.ready();
      if (this.gone.aborted) return;
      const first = store.list().find((one) => one.linked) ?? store.list()[0];
      if (first) history.replaceState(null, "", `#/chat/${first.id}`), this.moved([first.id]);
      else this.middle.replaceChildren(h("p.empty", t("chat.no_session")));
      return;
    }
    if (this.session !== session) this.join(session);
    this.drawPicker();
    this.show(chat || null);
    if (message) this.thread.show(message).catch(tell);
  }

  ready() {
    if (store.loaded) return Promise.resolve();
    return new Promise((done) => store.addEventListener("change", () => store.loaded && done(), { signal: this.gone }));
  }

  join(session) {
    this.joined?.abort();
    this.joined = new AbortController();
    this.session = session;
    this.chats = chatsOf(session);
    this.current = this.thread = null;
    this.found = null;
    this.filter.value = "";
    const whileJoined = { signal: AbortSignal.any([this.joined.signal, this.gone]) };
    this.chats.addEventListener("change", () => this.soon(), whileJoined);
    this.chats.addEventListener("renamed", ({ detail }) => detail.from === this.current && go(`chat/${session}/${encodeURIComponent(detail.to)}`), whileJoined);
    if (!this.chats.loaded) this.chats.load().catch(tell);
    this.drawList();
  }

  drawPicker() {
    const sessions = store.list();
    const mark = JSON.stringify(sessions.map((one) => [one.id, nameOf(one), one.state]));
    if (mark !== this.picked) {
      this.picked = mark;
      this.picker.replaceChildren(...sessions.map((one) =>
        h("option", { value: one.id }, `${nameOf(one)} (${t(`state.${one.state}`)})`)));
    }
    if (this.session) this.picker.value = this.session;
  }

  // ── the list of chats ──

  /** A burst of changes is drawn once. */
  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.gone.aborted) this.drawList();
    });
  }

  drawList() {
    if (!this.chats) return;
    const items = this.found ? this.results() : this.chats.list();
    this.list.set(items);
    this.none.hidden = items.length > 0;
    this.none.textContent = this.chats.loaded && !this.searching ? t(this.found ? "chat.no_match" : "chat.none") : t("loading");
  }

  /** More chats are read as somebody scrolls to the list's end. */
  near(end) {
    if (end !== "end" || this.found || !this.chats?.next || this.reading) return;
    this.reading = true;
    this.chats.more().catch(tell).finally(() => { this.reading = false; });
  }

  // ── searching, at the gateway ──

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search().catch(tell), 250);
  }

  async search() {
    const wanted = this.filter.value.trim();
    this.found = wanted ? { chats: [], messages: [] } : null;
    this.searching = Boolean(wanted);
    this.drawList();
    if (!wanted) return;
    const { chats } = this;
    const [named, said] = await Promise.all([
      get(`${chats.path}/chats`, { name: wanted, limit: 20 }), get(`${chats.path}/messages/search`, { q: wanted, limit: 50 })]);
    if (this.gone.aborted || chats !== this.chats || wanted !== this.filter.value.trim()) return;
    for (const row of named.items) chats.row(row);
    this.found = { chats: named.items.map((row) => chats.chat(row.id)), messages: said.items };
    this.searching = false;
    this.drawList();
  }

  results() {
    const { chats, messages } = this.found;
    const heading = (title) => ({ id: title, title: t(title) });
    return [...(chats.length ? [heading("chat.chats"), ...chats] : []), ...(messages.length ? [heading("chat.messages"), ...messages.map((hit) => ({ id: hit.message.id, hit }))] : [])];
  }

  hit({ message, snippet, at }) {
    const parts = [];
    let end = 0;
    for (const [from, to] of at) {
      parts.push(snippet.slice(end, from), h("mark", snippet.slice(from, to)));
      end = to;
    }
    const chat = this.chats.chat(message.chat.id, message.chat);
    return h("li", h("a", { href: `#/chat/${this.session}/${encodeURIComponent(message.chat.id)}/${message.id}`, data: { hit: message.id } },
      h("span.name", h("bdi", titleOf(chat))), h("time", { datetime: message.time }, short(message.time)),
      h("span.preview", { dir: "auto" }, parts, snippet.slice(end))));
  }

  preview(chat) {
    const waiting = this.chats.outbox.of(chat.id).at(-1);
    return chat.typing ? t("chat.typing") : waiting?.text ?? (chat.last ? summary(chat.last) : "");
  }

  mark(chat) {
    if (chat.title || chat.hit) return chat.id;
    return [titleOf(chat), chat.last?.id, this.preview(chat), chat.unread, chat.id === this.current].join("\n");
  }

  item(chat) {
    if (chat.title) return h("li.heading", h("h2", chat.title));
    if (chat.hit) return this.hit(chat.hit);
    const { unread } = chat;
    return h("li", h("a", { href: `#/chat/${this.session}/${encodeURIComponent(chat.id)}`, data: { chat: chat.id }, "aria-current": chat.id === this.current ? "true" : null },
      h("span.name", h("bdi", titleOf(chat))),
      h("time", chat.last ? short(chat.last.time) : ""),
      h("span.preview", { dir: "auto" }, this.preview(chat).slice(0, 80)),
      unread > 0 && h("span.unread", { "aria-label": t("chat.unread", { count: unread }), role: "img" }, unread > 99 ? "99+" : unread)));
  }

  fresh() {
    const sandbox = store.sessions.get(this.session)?.network === "sandbox" && account.may("sandbox");
    return dialog(t("chat.new"), t("close"), (done) => {
      const number = h("input", { name: "number", type: "tel", required: true, autofocus: true, placeholder: "+55 11 99999 9999" });
      const enter = (digits) => {
        done();
        const id = `${digits}@s.whatsapp.net`;
        this.chats.chat(id).opened = true;
        go(`chat/${this.session}/${encodeURIComponent(id)}`);
      };
      const typed = async () => {
        const digits = number.value.replace(/\D/g, "");
        if (digits.length < 6) return toast(t("chat.bad_number"), "bad");
        enter(digits);
      };
      const contact = async () => enter((await newPhone(t("phone.contact_name"))).number);
      return h("div", h("form", { onsubmit: busy(typed, tell) }, field(t("chat.number"), number), h("footer", h("button.primary", t("chat.open")))),
        sandbox && h("div.alternative", h("p", t("chat.virtual_hint")), h("button", { type: "button", data: { act: "virtual" }, onclick: busy(contact, tell) }, t("chat.virtual"))));
    });
  }

  // ── one chat ──

  show(id) {
    this.classList.toggle("one", Boolean(id));
    if (id === this.current && this.thread) return;
    this.current = id;
    this.side.hidden = true;
    this.thread = null;
    if (id) {
      this.thread = document.createElement("wa-thread");
      Object.assign(this.thread, { chats: this.chats, chat: id });
      this.offerPhone(id).catch(() => {});
    }
    this.middle.replaceChildren(this.thread ?? h("p.empty", t("chat.choose")));
    this.drawList();
  }

  // ── the contact's virtual phone ──

  async offerPhone(id) {
    const session = store.sessions.get(this.session);
    if (session?.network !== "sandbox" || !account.may("sandbox")) return;
    const { address } = this.chats.chat(id);
    const phone = await phoneOf(id, address.phone, address.lid);
    if (!phone || this.current !== id) return;
    const node = document.createElement("wa-phone");
    node.phone = phone;
    node.peer = (session.phone ?? "").replace(/\D/g, "");
    this.side.replaceChildren(h("header", h("h2", t("phone.of_contact")),
      h("button.plain", { type: "button", "aria-label": t("close"), onclick: () => { this.side.hidden = true; } }, icon("close"))), node);
    this.side.hidden = !matchMedia("(min-width: 70rem)").matches;
    this.thread.tools.replaceChildren(
      h("button.quiet", { type: "button", data: { act: "phone" }, onclick: () => { this.side.hidden = !this.side.hidden; } }, icon("sessions"), t("phone.short")));
  }
}

customElements.define("wa-chat", Chat);

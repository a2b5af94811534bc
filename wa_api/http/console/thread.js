// One chat: its messages, read further as one scrolls, and what is written into it.
import { account, explain, post } from "./api.js";
import { bubble, pending, summary } from "./bubble.js";
import "./composer.js";
import { View, dialog, h, icon, toast } from "./dom.js";
import { feed } from "./feed.js";
import { LongList } from "./list.js";
import { store } from "./store.js";
import { day, t } from "./words.js";

const EMOJIS = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const ONLINE = ["connected", "restricted"];
const tell = (problem) => toast(explain(problem), "bad");

export const titleOf = (chat) => chat.name || chat.address.name || chat.address.phone || chat.id.split("@")[0];

class Thread extends View {
  // `chats` (of a session) and `chat` (an address) are set before.
  open() {
    const write = account.may("messages:write");
    this.acts = { find: (id) => this.talk.find(id), jump: (id) => this.show(id).catch(() => toast(t("chat.not_here"))), menu: write && ((message) => this.menu(message)), vote: write && ((message, option) => this.vote(message, option)) };
    this.talk = this.chats.chat(this.chat);
    this.talk.opened = true;
    this.heading = h("h2", h("bdi"));
    this.under = h("small");
    this.tools = h("span.tools-of-chat");
    this.place = h("ol.messages", { "aria-label": t("chat.messages") });
    this.box = h("div.scroll", { tabIndex: 0 }, this.place);
    this.news = h("p.unseen", { "aria-live": "polite" });
    this.down = h("button.down.icon-only", { type: "button", hidden: true, "aria-label": t("chat.newest"), title: t("chat.newest"), onclick: () => this.toEnd() }, icon("down"));
    this.replaceChildren(
      h("header", h("a.back", { href: `#/chat/${this.chats.session}`, "aria-label": t("back") }, icon("back")), h("div", this.heading, this.under), this.tools),
      h("div.stage", this.box, this.down), this.news);
    if (account.may("messages:write")) {
      this.composer = Object.assign(document.createElement("wa-composer"), { thread: this });
      this.append(this.composer);
      this.dropped();
    }
    this.list = new LongList(this.box, this.place, {
      key: (item) => item.key, mark: (item) => item.mark, draw: (item) => item.draw(), guess: 58, stick: true, near: (end) => this.near(end),
    });
    this.box.addEventListener("scroll", () => this.offerEnd(), { passive: true });
    this.on(this.chats, "change", ({ detail }) => (detail === null || detail === this.chat) && this.draw());
    this.on(document, "visibilitychange", () => this.seen());
    this.on(store, "change", () => this.seen());
    this.on(feed, "state", () => this.seen());
    this.every(3000, () => this.drawTyping());
    this.draw();
    this.near("start");
  }

  close() {
    this.list.end();
  }

  /** Read what is missing at an end, until there is enough to scroll through. */
  async near(end) {
    if (Date.now() < (this.pause ?? 0)) return;
    try {
      if (await (end === "start" ? this.talk.older() : this.talk.newer())) this.chats.told(this.chat);
    } catch (problem) {
      this.pause = Date.now() + 5000; // the next scroll after that tries again
      if (!this.gone.aborted) tell(problem);
    }
  }

  /** Show one message, wherever in the chat it is; `message` is our id of it, or WhatsApp's. */
  async show(named) {
    const message = this.talk.find(named)?.id ?? named;
    await this.talk.enter(message);
    this.draw();
    const node = this.list.show(this.talk.byId.get(message)?.ref || message);
    node?.classList.add("found");
    setTimeout(() => node?.classList.remove("found"), 2500);
  }

  async toEnd() {
    await this.talk.enter(null);
    this.draw();
    this.list.toEnd();
  }

  offerEnd() {
    this.down.hidden = this.list.atEnd && !this.talk.behind;
  }

  draw() {
    if (this.gone.aborted) return;
    this.talk = this.chats.chat(this.chat);
    this.talk.opened = true;
    this.heading.firstChild.textContent = titleOf(this.talk);
    this.list.set(this.items());
    this.drawTyping();
    this.offerEnd();
    this.announce();
    this.seen();
  }

  items() {
    const items = [];
    let date = null;
    for (const message of this.talk.list) {
      const at = new Date(message.at).setHours(0, 0, 0, 0);
      if (at !== date) items.push({ key: `day-${at}`, mark: at, draw: () => h("li.day", h("span", day(message.at))) });
      date = at;
      items.push({
        // A sent message takes over the place that it had while it waited.
        key: message.ref || message.id,
        mark: `${message.status} ${message.error?.code} ${message.id} ${message.changes ?? 0}`,
        draw: () => bubble(message, this.acts),
      });
    }
    const { outbox } = this.chats;
    if (this.talk.behind) return items;
    for (const entry of outbox.of(this.chat)) items.push({ key: entry.ref, mark: `${entry.status} ${entry.progress}`, draw: () => pending(entry, outbox) });
    return items;
  }

  /** Screen readers hear what came; the list itself would read out whatever scrolls into sight. */
  announce() {
    const last = this.talk.list.at(-1);
    if (this.heard && last && last.id > this.heard && last.direction === "in") this.news.textContent = `${titleOf(this.talk)}: ${summary(last).slice(0, 300)}`;
    this.heard = last?.id ?? "0";
  }

  drawTyping() {
    const { typing, address } = this.talk;
    const now = typing && typing.until > Date.now();
    this.under.textContent = now ? t(typing.state === "recording" ? "chat.recording" : "chat.typing") : address.phone ?? this.chat;
    this.under.classList.toggle("typing", Boolean(now));
  }

  // ── writing ──

  send(body, shown) {
    this.chats.outbox.add(this.chat, body, shown);
    this.toEnd().catch(tell);
  }

  /** Change a message: what that did comes back as an event. */
  act(type, content) {
    post(`${this.chats.path}/messages`, { to: this.chat, type, [type]: content }).catch(tell);
  }

  vote(message, option) {
    const { max_choices } = message.poll;
    const mine = (message.votes ?? []).filter((one) => one.mine).map((one) => one.option);
    const without = mine.filter((one) => one !== option);
    const options = mine.includes(option) ? without : max_choices === 1 ? [option] : [...without, option];
    this.act("vote", { message_id: message.id, options });
  }

  menu(message) {
    const own = message.direction === "out";
    const texts = ["text", "image", "video", "document"].includes(message.type);
    return dialog(t("chat.actions"), t("close"), (done) => {
      const button = (act, label, work, kind = "") => h(`button${kind}`, { type: "button", data: { act }, onclick: () => { done(); work(); } }, label);
      const standing = message.reactions?.find((one) => !one.from)?.emoji;
      return h("div.acts", h("p", { dir: "auto" }, summary(message).slice(0, 200)),
        message.wa_id && h("div.emojis", EMOJIS.map((emoji) => h("button.plain", { type: "button", "aria-pressed": String(emoji === standing), "aria-label": `${t("chat.react")} ${emoji}`, onclick: () => { done(); this.act("reaction", { message_id: message.id, emoji: emoji === standing ? "" : emoji }); } }, emoji))),
        message.wa_id && button("reply", t("chat.reply"), () => this.composer.reply(message)),
        own && message.wa_id && texts && button("edit", t("chat.edit"), () => this.composer.edit(message)),
        message.type === "text" && button("copy", t("copy"), () => navigator.clipboard?.writeText(message.text.body).then(() => toast(t("copied")), () => toast(t("copy_failed"), "bad"))),
        own && message.wa_id && button("revoke", t("chat.revoke"), () => this.act("revoke", { message_id: message.id }), ".danger"));
    });
  }

  dropped() {
    const has = (event) => event.dataTransfer?.types.includes("Files");
    const on = (type, work) => this.addEventListener(type, (event) => {
      if (!has(event)) return;
      event.preventDefault();
      work(event);
    });
    on("dragover", () => this.classList.add("dropping"));
    on("dragleave", (event) => this.contains(event.relatedTarget) || this.classList.remove("dropping"));
    on("drop", (event) => {
      this.classList.remove("dropping");
      this.composer.offer([...event.dataTransfer.files]);
    });
  }

  /** A courtesy: that it failed would help nobody. */
  typing(state) {
    const [was, at] = this.told ?? ["paused", 0];
    if (state === was && (state === "paused" || Date.now() - at < 4000)) return;
    this.told = [state, Date.now()];
    post(`/sessions/${this.chats.session}/typing`, { chat: this.chat, state }).catch(() => {});
  }

  /** Receipts need a connection; what a resumed feed has not told yet may be that there is none. */
  online() {
    const state = store.sessions.get(this.chats.session)?.state;
    return ONLINE.includes(state) && ["live", "closed"].includes(feed.state);
  }

  /** What is shown is read: the senders learn it, and it counts as unread no more, in no window. */
  async seen() {
    const unread = this.talk.unread > 0 || this.talk.row?.marked_unread;
    if (!unread || document.hidden || this.gone.aborted || this.marking || this.talk.behind) return;
    if (!account.may("messages:write") || !this.online()) return;
    this.marking = true;
    const last = this.talk.last?.id;
    try {
      await post(`${this.chats.path}/chats/${encodeURIComponent(this.chat)}/read`);
      if (this.talk.last?.id === last) this.talk.unread = 0;
    } catch {
      return; // still unread for the sender: the next message or look tries again
    } finally {
      this.marking = false;
    }
    this.chats.told(this.chat);
  }
}

customElements.define("wa-thread", Thread);

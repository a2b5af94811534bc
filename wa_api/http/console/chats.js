// One session's chats: the gateway's list, read in pages and kept right by events.
import { get } from "./api.js";
import { feed } from "./feed.js";
import { Outbox } from "./outbox.js";
import { CHANGES, Talk } from "./talk.js";

const PAGE = 100;
const MESSAGES = ["message.accepted", "message.received", "message.synced", "message.undecryptable"];
const ACTIONS = ["reaction", "edit", "revoke", "pin", "vote"]; // messages that only change others

export class Chats extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.path = `/sessions/${session}`;
    this.outbox = new Outbox(`${this.path}/messages`, { changed: (chat) => this.told(chat), sent: (message) => this.put(message) });
    this.reset();
  }

  reset() {
    this.chats = new Map();
    this.next = null; // where the list goes on
    this.loaded = false;
  }

  /** `change` tells which chat, or null for all. */
  told(chat) {
    this.dispatchEvent(new CustomEvent("change", { detail: chat }));
  }

  /** Read the list anew. What happens meanwhile is put on top of what was read. */
  async load() {
    this.meanwhile ??= [];
    const page = await get(`${this.path}/chats`, { limit: PAGE });
    if (this.loaded) this.reset();
    this.loaded = true;
    this.took(page);
    const events = this.meanwhile ?? [];
    this.meanwhile = null;
    for (const event of events) this.apply(event);
  }

  /** The list's next page, if there is one. */
  async more() {
    if (this.next) this.took(await get(`${this.path}/chats`, { limit: PAGE, after: this.next }));
  }

  took(page) {
    for (const row of page.items) this.row(row);
    this.next = page.next;
    this.told(null);
  }

  chat(id, address) {
    let chat = this.chats.get(id);
    if (!chat) {
      chat = new Talk(`${this.path}/messages`, id, address);
      this.chats.set(id, chat);
    }
    return chat;
  }

  /** A chat as the API shows it. */
  row(row) {
    const chat = this.chat(row.id);
    const { id, phone, lid } = row;
    Object.assign(chat, { row, address: { id, phone, lid }, name: row.name ?? null, at: Math.max(chat.at, Date.parse(row.time)) });
    if (row.last_message && !(chat.last?.id > row.last_message.id)) chat.last = row.last_message;
  }

  /** The gateway is asked about a chat that was not on a page yet, or that lost its last message. */
  async look(id) {
    const row = await get(`${this.path}/chats/${encodeURIComponent(id)}`).catch(() => null);
    if (row) this.row(row);
    this.told(id);
  }

  put(message, time = message.time) {
    const chat = this.chat(message.chat.id, message.chat);
    chat.put(message);
    chat.at = Math.max(chat.at, Date.parse(time));
    if (message.direction === "in" && !message.chat.id.endsWith("@g.us")) chat.name ??= message.from?.name ?? null;
    this.outbox.arrived(message.ref);
    if (!chat.row && !chat.opened) this.look(chat.id);
    return chat;
  }

  apply(event) {
    const { session, type, data, time } = event;
    if (session !== this.session) return;
    if (this.meanwhile) return void this.meanwhile.push(event);
    if (MESSAGES.includes(type)) {
      if (ACTIONS.includes(data.message.type)) return;
      const before = this.chats.get(data.message.chat.id)?.last?.id ?? "";
      const chat = this.put(data.message, time);
      chat.typing = null;
      if (type === "message.received" && data.message.id > before) chat.unread += 1;
    } else if (CHANGES[type]) {
      if (!this.chats.get(data.chat.id)?.changed(type, data)) return;
    } else if (type === "message.status_changed") {
      if (!this.chats.get(data.chat.id)?.became(data)) return;
    } else if (type === "chat.typing_changed") {
      this.chat(data.chat.id, data.chat).typing = data.state === "paused" ? null : { state: data.state, until: Date.now() + 12_000 };
    } else if (!this.listed(type, data)) return;
    this.told(data.chat?.id ?? data.message?.chat.id ?? null);
  }

  /** Events about the list itself; whether this was one. */
  listed(type, data) {
    if (type === "chat.changed") this.row(data.chat);
    else if (type === "chat.deleted") this.chats.delete(data.chat.id);
    else if (type === "message.deleted") {
      if (this.chats.get(data.chat.id)?.forget(data.id)) this.look(data.chat.id);
    } else if (type === "contact.changed") this.met(data.contact);
    else if (["session.history_progress", "session.contacts_changed"].includes(type)) this.later();
    else return false;
    return true;
  }

  /** Who was known by a hidden id has a number now: the chat goes on under that. */
  met({ id, lid, name, business_name, push_name }) {
    const chat = this.chats.get(id);
    if (chat) chat.name = name ?? business_name ?? push_name ?? chat.name;
    if (!lid || lid === id || !this.chats.delete(lid)) return;
    this.look(id);
    this.dispatchEvent(new CustomEvent("renamed", { detail: { from: lid, to: id } }));
  }

  /** History comes in many parts: they are one new look at the list. */
  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load().catch(() => {}), 1000);
  }

  /** What waits to be sent first, then as the gateway sorts. */
  list() {
    const waits = new Set(this.outbox.list.map((one) => one.chat));
    const first = (chat) => (waits.has(chat.id) ? 2 : 0) + (chat.row?.pinned ? 1 : 0);
    return [...this.chats.values()]
      .filter((chat) => chat.last || chat.opened || waits.has(chat.id))
      .sort((a, b) => first(b) - first(a) || b.at - a.at);
  }

  end() {
    this.outbox.end();
    clearTimeout(this.timer);
  }
}

/** Chats live on while other views are shown, so that what waits to be sent still goes out. */
const open = new Map();

export function chatsOf(session) {
  let chats = open.get(session);
  if (!chats) {
    chats = new Chats(session);
    open.set(session, chats);
    chats.outbox.flush(); // what waited when the page was reloaded
  }
  return chats;
}

export function forgetChats() {
  for (const chats of open.values()) chats.end();
  open.clear();
}

feed.addEventListener("event", ({ detail }) => open.get(detail.session)?.apply(detail));
feed.addEventListener("reload", () => {
  for (const chats of open.values()) chats.load().catch(() => {});
});
feed.addEventListener("state", () => {
  if (feed.state === "live") for (const chats of open.values()) chats.outbox.flush();
});

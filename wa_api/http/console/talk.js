// One chat's messages: a stretch without holes, read further at both ends as somebody scrolls.
import { get } from "./api.js";

const STEP = 100; // messages that are read at once
const KEPT = 2000; // messages that are kept: scrolling on lets go of the other end
const ORDER = ["received", "accepted", "scheduled", "queued", "sending", "unknown", "sent", "delivered", "read", "played"];
const FINAL = ["failed", "expired", "cancelled"];

const further = (before, after) =>
  !FINAL.includes(before) && (FINAL.includes(after) || ORDER.indexOf(after) > ORDER.indexOf(before));

const who = (address) => address?.id ?? null;

/** How events change the message that they are about. */
export const CHANGES = {
  "message.reaction_changed": (message, { from, emoji, time }) => {
    const others = (message.reactions ?? []).filter((one) => who(one.from) !== who(from));
    message.reactions = emoji ? [...others, { emoji, from, time }] : others;
  },
  "message.edited": (message, { body, time }) => {
    const held = { ...message[message.type] };
    held[message.type === "text" ? "body" : "caption"] = body;
    Object.assign(message, { [message.type]: held, edited_at: time });
  },
  "message.revoked": (message, { from, time }) => { message.revoked = { from, time }; },
  "message.pin_changed": (message, { seconds, from, time }) => { message.pinned = seconds ? { from, time } : undefined; },
  "poll.vote_changed": (message, { votes }) => { message.votes = votes ?? message.votes; },
  "message.media_stored": (message, { media, mimetype, sha256, size }) => { message[message.type] = { ...message[message.type], id: media, mimetype, sha256, size }; },
};

export class Talk {
  constructor(path, id, address) {
    address ??= { id, phone: id.endsWith("@s.whatsapp.net") ? `+${id.split("@")[0]}` : undefined };
    Object.assign(this, { path, id, address, name: null, typing: null });
    this.row = null; // as the list of chats has it
    this.last = null; // the newest message, for the list of chats
    this.at = 0; // when it came
    this.clear();
  }

  clear() {
    this.list = []; // oldest first
    this.byId = new Map();
    this.complete = false; // nothing is older than the list
    this.behind = false; // something is newer than the list
  }

  get unread() {
    return this.row?.unread ?? 0;
  }

  set unread(count) {
    if (this.row) this.row.unread = count;
  }

  /** A message that is here, by our id of it or WhatsApp's. */
  find(id) {
    return this.byId.get(id) ?? this.list.find((one) => one.wa_id === id);
  }

  /** What another message did to one of these; whether it was here. */
  changed(type, data) {
    const kept = this.byId.get(data.id) ?? this.find(data.wa_id);
    const last = this.last?.id === data.id ? this.last : null;
    for (const message of new Set([kept, last].filter(Boolean))) {
      CHANGES[type](message, data);
      message.changes = (message.changes ?? 0) + 1;
    }
    return Boolean(kept ?? last);
  }

  /** A message was deleted here; whether it was the newest. */
  forget(id) {
    this.list = this.list.filter((one) => one.id !== id);
    this.byId.delete(id);
    if (this.last?.id !== id) return false;
    this.last = this.list.at(-1) ?? null;
    return true;
  }

  /** A message as it came; what would leave a hole is only the chat's newest. */
  put(message) {
    if (!this.last || this.last.id <= message.id) this.last = message;
    const older = this.list.length > 0 && message.id < this.list[0].id && !this.complete;
    if (!this.behind && !older) this.place(message);
  }

  place(message) {
    message.at ??= Date.parse(message.time);
    const kept = this.byId.get(message.id);
    if (kept) {
      const { status, error } = further(kept.status, message.status) ? message : kept;
      Object.assign(kept, message, { status, error });
      return;
    }
    this.byId.set(message.id, message);
    let place = this.list.length;
    while (place > 0 && this.list[place - 1].id > message.id) place -= 1;
    this.list.splice(place, 0, message);
  }

  /** Note how far a message got; whether that was news. */
  became({ id, status, error, wa_id }) {
    const kept = this.byId.get(id) ?? (this.last?.id === id ? this.last : null);
    if (!kept || !further(kept.status, status)) return false;
    Object.assign(kept, { status, error: error ?? kept.error, wa_id: wa_id ?? kept.wa_id });
    return true;
  }

  /** Read further back; false when there was nothing to read. */
  older() {
    if (this.complete) return Promise.resolve(false);
    return this.read({ before: this.list[0]?.id }, (page) => {
      this.complete = !page.next;
      if (this.letGo(this.list.splice(KEPT))) this.behind = true;
    });
  }

  /** Read further on, where the end was let go of or the chat was entered in the middle. */
  newer() {
    if (!this.behind) return Promise.resolve(false);
    return this.read({ after: this.list.at(-1)?.id }, (page) => {
      this.behind = Boolean(page.next);
      if (this.letGo(this.list.splice(0, Math.max(0, this.list.length - KEPT)))) this.complete = false;
    });
  }

  read(where, then) {
    if (this.reading) return Promise.resolve(false);
    this.reading = this.reads(where, then).finally(() => { this.reading = null; });
    return this.reading;
  }

  async reads(where, then) {
    const page = await get(this.path, { chat: this.id, limit: STEP, ...where });
    for (const message of page.items) this.place(message);
    if (!where.before && !where.after && !where.around && page.items.length) this.last ??= page.items[0];
    then(page);
    return true;
  }

  letGo(messages) {
    for (const message of messages) this.byId.delete(message.id);
    return messages.length > 0;
  }

  /** Begin anew around one message, or at the end. */
  async enter(message) {
    if (message ? this.byId.has(message) : !this.behind) return;
    await this.reading?.catch(() => {});
    this.clear();
    if (!message) return void (await this.older());
    this.behind = true; // until the end is read
    await this.read({ around: message }, () => {});
  }
}

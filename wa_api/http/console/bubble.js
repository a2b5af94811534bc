// How one message looks. Whatever it holds is shown as text.
import { explain } from "./api.js";
import { h, icon } from "./dom.js";
import { FILES, amount, media } from "./media.js";
import { clock, day, t } from "./words.js";

const FOLDED = 3000; // characters of a long text before "show all"
const WRONG = ["failed", "expired", "unknown", "cancelled"];
const TICKS = { waiting: "clock", accepted: "clock", scheduled: "clock", queued: "clock", sending: "clock", sent: "one", delivered: "two", read: "two", played: "two" };
const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g;

const nameOf = (address) => address?.name ?? address?.phone ?? address?.id?.split("@")[0] ?? "";

/** A message in one line, for lists and quotes. */
export function summary(message) {
  if (message.revoked) return t("chat.revoked");
  return short(message.type, message[message.type] ?? {});
}

/** `content` of some type in one line. */
export function short(type, content) {
  const own = { text: content.body, poll: content.question, event: content.name, location: content.name, group_invite: content.name, interactive: content.body?.text ?? content.button_reply?.title ?? content.list_reply?.title, document: content.filename, contacts: Array.isArray(content) ? content.map(cardName).join(", ") : undefined }[type];
  if (type === "text") return own ?? "";
  const kind = t.maybe(`kind.${type === "audio" && content.voice ? "voice" : type}`) ?? t("chat.unsupported", { kind: content.kind ?? type });
  const said = content.caption || own;
  return said ? `${kind}: ${said}` : kind;
}

/** Text with its own direction; links can be followed, and a very long one is folded. */
export function text(body) {
  const shown = h("div.text", { dir: "auto" }, linked(body.length > FOLDED ? `${body.slice(0, FOLDED)}…` : body));
  if (body.length <= FOLDED) return shown;
  const all = h("button.quiet", { type: "button", onclick: () => { shown.replaceChildren(...linked(body)); all.remove(); } },
    t("chat.show_all", { count: body.length.toLocaleString() }));
  return [shown, all];
}

function linked(body) {
  const parts = [];
  let end = 0;
  for (const { 0: url, index } of body.matchAll(LINK)) {
    parts.push(body.slice(end, index), h("a", { href: url, rel: "noopener noreferrer nofollow", target: "_blank" }, url));
    end = index + url.length;
  }
  return [...parts, body.slice(end)];
}

/** A message of the chat, sent or received; `acts` are what can be done with it. */
export function bubble(message, acts) {
  const out = message.direction === "out";
  const group = !out && message.chat.id.endsWith("@g.us");
  return h("li", { class: out ? "mine" : "" }, h(`div.bubble.${out ? "out" : "in"}`, { data: { id: message.id, status: message.status, type: message.type } },
    group && h("span.from", h("bdi", nameOf(message.from))),
    message.context?.forwarding_score > 0 && h("small.mark", t("chat.forwarded")),
    message.context?.message_id && quote(message.context, acts),
    message.revoked ? h("div.text.gone", t("chat.revoked")) : content(message, acts),
    WRONG.includes(message.status) && wrong(message),
    h("small", message.pinned && [icon("pin", t("chat.pinned")), " "], message.edited_at && `${t("chat.edited")} · `, message.source === "phone" && `${t("chat.from_phone")} · `,
      h("time", { datetime: message.time }, clock(message.time)), out && TICKS[message.status] && icon(TICKS[message.status], t(`status.${message.status}`)))),
    acts?.menu && !message.revoked && h("button.plain.more.icon-only", { type: "button", "aria-label": t("chat.actions"), data: { act: "actions" }, onclick: () => acts.menu(message) }, icon("more")),
    message.reactions?.length > 0 && reactions(message));
}

function quote({ message_id, sender, quoted }, acts) {
  const known = acts?.find(message_id);
  const said = known ? summary(known) : quoted ? short(quoted.type, quoted[quoted.type] ?? quoted) : t("chat.quoted");
  return h("button.plain.quote", { type: "button", onclick: () => acts?.jump(message_id) }, sender && h("strong", h("bdi", `+${sender.split("@")[0]}`)), h("span", { dir: "auto" }, said.slice(0, 160)));
}

function reactions(message) {
  const counted = new Map();
  for (const one of message.reactions) counted.set(one.emoji, [...(counted.get(one.emoji) ?? []), one.from ? nameOf(one.from) : t("chat.me")]);
  return h("p.reactions", [...counted].map(([emoji, who]) => h("span", { title: who.join(", ") }, emoji, who.length > 1 && ` ${who.length}`)));
}

function wrong({ status, error }) {
  return h("p.wrong", icon("bad"), t(`status.${status}`), error && ` ${t.maybe(`problem.${error.code}`) ?? error.detail}`);
}

// ── what a message holds ──

function content(message, acts) {
  const held = message[message.type] ?? {};
  if (FILES.includes(message.type)) return [media(message), held.caption && text(held.caption)];
  return SHOWN[message.type]?.(held, message, acts) ?? text(summary(message));
}

const SHOWN = {
  text: (held) => [text(held.body ?? ""), held.preview && h("a.preview-of-link", { href: /^https?:/.test(held.preview.url) ? held.preview.url : "#", rel: "noopener noreferrer nofollow", target: "_blank" }, h("strong", held.preview.title || held.preview.url), h("small", held.preview.description))],
  location: (held) => place(held),
  live_location: (held) => place({ name: t("kind.live_location"), ...held }),
  contacts: (held) => h("ul.cards", held.map((card) => h("li", icon("account"), h("span", h("strong", { dir: "auto" }, cardName(card)), (card.phones ?? []).map((one) => h("small", h("bdi", one.phone ?? one.wa_id ?? ""))), (card.emails ?? []).map((one) => h("small", h("bdi", one.email ?? ""))))))),
  poll: (held, message, acts) => h("div.poll", h("strong", { dir: "auto" }, held.question), held.options.map((option) => choice(option, message, acts))),
  event: (held) => h("div", h("strong", { dir: "auto" }, held.name), h("p", `${day(held.start_time * 1000)}, ${clock(held.start_time * 1000)}`), held.description && text(held.description), held.location && place(held.location), held.cancelled && h("p.wrong", t("status.cancelled"))),
  interactive: (held) => h("div", text(summary({ type: "interactive", interactive: held })), (held.action?.buttons ?? []).map((one) => h("span.option", one.reply?.title ?? ""))),
};

const cardName = (card) => card.name?.formatted_name ?? card.name?.first_name ?? t("kind.contacts");

function place({ latitude, longitude, name, address, caption }) {
  const at = `${latitude}, ${longitude}`;
  return h("div.place", icon("place"), h("span", h("strong", { dir: "auto" }, name || caption || t("kind.location")), address && h("small", { dir: "auto" }, address),
    h("a", { href: `https://www.openstreetmap.org/?mlat=${Number(latitude)}&mlon=${Number(longitude)}`, rel: "noopener noreferrer", target: "_blank" }, at)));
}

function choice(option, message, acts) {
  const got = message.votes?.find((one) => one.option === option);
  const may = acts?.vote && message.wa_id;
  return h("button.option", { type: "button", disabled: !may, "aria-pressed": String(Boolean(got?.mine)), onclick: () => acts.vote(message, option) }, h("span", { dir: "auto" }, option), h("strong", got?.count ?? 0));
}

/** What waits to be sent, or was refused. */
export function pending(entry, outbox) {
  const refused = entry.status === "refused";
  const uploading = entry.file && !refused;
  return h("li.mine", h("div.bubble.out", { data: { status: entry.status, ref: entry.ref } },
    entry.file && h("div.file", icon("file"), h("span", h("bdi", entry.file.name || t("kind.voice")), h("small", amount(entry.file.size)))),
    entry.text && text(entry.text),
    uploading && h("progress", { max: 1, value: entry.progress ?? 0, "aria-label": t("media.uploading") }),
    refused && h("p.wrong", icon("bad"), explain(entry.problem)),
    h("div.choices", refused && h("button.quiet", { type: "button", onclick: () => outbox.retry(entry) }, t("chat.again")),
      (refused || uploading) && h("button.quiet", { type: "button", onclick: () => outbox.remove(entry) }, t("chat.discard"))),
    h("small", h("time", clock(entry.at)), !refused && icon("clock", t("status.waiting")))));
}

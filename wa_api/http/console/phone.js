// A virtual phone of the sandbox: it scans, types codes, chats, and fails when it is told to.
import { explain, get, patch, post } from "./api.js";
import { View, busy, dialog, h, icon, toast } from "./dom.js";
import { feed } from "./feed.js";
import { clock, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
const FAULTS = ["drop", "silent", "delay", "unavailable", "restricted", "replaced", "logged_out", "banned", "heal"];
const TIMED = { silent: 20_000, delay: 2_000, unavailable: 15_000, restricted: 60_000, banned: 60_000 };

const digits = (text) => (text ?? "").split("@")[0].split(":")[0].replace(/\D/g, "");
const phones = async () => (await get("/sandbox/phones")).items;

/** The virtual phone with that number or hidden id; null for none. */
export async function phoneOf(...addresses) {
  const wanted = addresses.filter(Boolean).map(digits);
  return (await phones()).find((one) => wanted.includes(one.number) || wanted.includes(digits(one.lid))) ?? null;
}

export const newPhone = (name) => post("/sandbox/phones", { name });

/** What stands beside a linking dialogue: a phone that scans what the page shows. */
export function scanner(link) {
  let phone = null;
  const name = h("p.phone-name");
  const take = async () => {
    if (!phone) phone = await newPhone(link.session.name || t("phone.default_name"));
    name.replaceChildren(h("bdi", phone.name), ` · +${phone.number}`);
    link.numberInput.value ||= `+${phone.number}`;
  };
  const scan = async () => {
    await take();
    await post(`/sandbox/phones/${phone.phone}/scan`, { qr: link.figure.dataset.qr });
  };
  const type = async () => {
    await take();
    await post(`/sandbox/phones/${phone.phone}/link-code`, { code: link.code.dataset.code });
  };
  const refuse = async () => {
    await take();
    await post(`/sandbox/phones/${phone.phone}/refuse-pairing`, { times: 1 });
    toast(t("phone.will_refuse"));
  };
  const scanButton = h("button.primary", { type: "button", data: { act: "scan" }, onclick: busy(scan, tell), disabled: !link.figure.dataset.qr }, t("phone.scan"));
  const typeButton = h("button", { type: "button", data: { act: "type-code" }, onclick: busy(type, tell), hidden: true }, t("phone.type_code"));
  const number = h("button.quiet", { type: "button", data: { act: "take" }, onclick: busy(take, tell) }, t("phone.take"));
  link.addEventListener("code", () => {
    scanButton.disabled = !link.figure.dataset.qr;
    typeButton.hidden = !link.code.dataset.code;
  });
  return [h("h3", t("phone.title")), h("p", t("phone.scan_hint")), name, scanButton, typeButton, number,
    h("button.quiet", { type: "button", data: { act: "refuse" }, onclick: busy(refuse, tell) }, t("phone.refuse"))];
}

/** Buttons that break what is linked to a phone. */
export function faults(phone) {
  const choice = h("select", { "aria-label": t("phone.misbehave") },
    FAULTS.map((how) => h("option", { value: how }, t(`fault.${how}`))));
  const act = async () => {
    const how = choice.value;
    await post(`/sandbox/phones/${phone.phone}/break`, TIMED[how] ? { how, ms: TIMED[how] } : { how });
    toast(t("phone.done", { what: t(`fault.${how}`) }));
  };
  return h("div.faults", choice, h("button", { type: "button", data: { act: "break" }, onclick: busy(act, tell) }, t("phone.do_it")));
}

/** The phone that a sandbox session is linked to. */
export async function phoneDialog(session) {
  const phone = await phoneOf(session.phone, session.lid);
  if (!phone) return toast(t("phone.none"), "bad");
  const online = toggle(t("phone.online"), phone.online, (on) => post(`/sandbox/phones/${phone.phone}/online`, { online: on }));
  return dialog(t("phone.title"), t("close"), () => h("div.own-phone",
    h("p", h("bdi", phone.name), ` · +${phone.number}`),
    h("p", t("phone.devices", { count: phone.devices.length })),
    online, h("h3", t("phone.misbehave")), h("p.hint", t("phone.misbehave_hint")), faults(phone)));
}

function toggle(label, on, change) {
  const box = h("input", { type: "checkbox", checked: on });
  box.addEventListener("change", () => change(box.checked).catch((problem) => {
    box.checked = !box.checked;
    tell(problem);
  }));
  return h("label.toggle", box, h("span", label));
}

class Phone extends View {
  // `phone` (as the API gives it) and `peer` (digits of the number it talks to) are set before.
  open() {
    this.inbox = 0;
    this.events = 0;
    this.messages = new Map();
    this.list = h("ol.talk", { "aria-label": t("phone.talk"), "aria-live": "polite", tabIndex: 0 });
    const text = h("input", { name: "text", placeholder: t("phone.write"), "aria-label": t("phone.write"), autocomplete: "off", maxlength: "4096" });
    const send = async () => {
      const body = text.value;
      if (!body.trim()) return;
      text.value = "";
      await this.send(body);
    };
    text.addEventListener("input", () => this.typing());
    const id = this.phone.phone;
    this.replaceChildren(h("div.device",
      h("header", h("strong", h("bdi", this.phone.name)), h("small", `+${this.phone.number}`)),
      this.list,
      h("form", { onsubmit: busy(send, tell) }, text, h("button.icon-only", { "aria-label": t("chat.send") }, icon("send")))),
      h("details.behave", h("summary", t("phone.misbehave")),
        toggle(t("phone.auto_read"), this.phone.auto_read, (on) => patch(`/sandbox/phones/${id}`, { auto_read: on })),
        toggle(t("phone.echo"), this.phone.echo, (on) => patch(`/sandbox/phones/${id}`, { echo: on })),
        toggle(t("phone.online"), this.phone.online, (on) => post(`/sandbox/phones/${id}/online`, { online: on })),
        h("button", { type: "button", onclick: busy(() => this.readAll(), tell) }, t("phone.read_all")),
        h("button", { type: "button", onclick: busy(() => post(`/sandbox/phones/${id}/garble`), tell) }, t("phone.garble"))));
    this.on(feed, "event", () => this.soon());
    this.every(1500, () => this.look());
    this.sent().then(() => this.look(), () => {});
  }

  /** Several events at once are one look. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.gone.aborted && this.look(), 60);
  }

  async sent() {
    const { items } = await get("/sandbox/sent", { phone: this.phone.phone, limit: 200 });
    for (const one of items) if (one.text) this.put({ id: one.id, mine: true, text: one.text, at: one.at * 1000 });
  }

  async look() {
    if (this.looking || document.hidden) return;
    this.looking = true;
    try {
      const path = `/sandbox/phones/${this.phone.phone}`;
      const { items } = await get(`${path}/inbox`, { after: this.inbox, limit: 200 }, { signal: this.gone });
      for (const one of items) {
        this.inbox = one.number;
        const from = digits(one.chat_pn ?? one.chat);
        if (from === this.peer || digits(one.chat) === this.peer) this.put({ id: one.id, mine: one.from_me, text: one.text ?? one.type, at: one.timestamp * 1000 });
      }
      const news = await get(`${path}/events`, { after: this.events, limit: 200 }, { signal: this.gone });
      for (const one of news.items) this.noticed(one);
    } catch {
      // The next look says more; a phone that cannot be reached shows nothing new.
    } finally {
      this.looking = false;
    }
  }

  noticed(one) {
    this.events = one.number;
    if (one.kind !== "receipt" || !["delivered", "read", "inactive"].includes(one.state)) return;
    for (const id of one.ids ?? []) {
      const kept = this.messages.get(id);
      if (kept?.mine && kept.state !== "read") this.put({ ...kept, state: one.state === "read" ? "read" : "delivered" });
    }
  }

  put(message) {
    const kept = this.messages.get(message.id);
    this.messages.set(message.id, message);
    const node = h(`li.bubble.${message.mine ? "out" : "in"}`, { data: { id: message.id } },
      h("span.text", { dir: "auto" }, message.text.length > 600 ? `${message.text.slice(0, 600)}…` : message.text),
      h("small", clock(message.at), message.mine && (message.state === "read" ? " ✓✓" : message.state ? " ✓✓" : " ✓")));
    if (message.state === "read") node.classList.add("read");
    if (kept) this.list.querySelector(`[data-id="${CSS.escape(message.id)}"]`)?.replaceWith(node);
    else this.place(node, message.at);
  }

  place(node, at) {
    node.dataset.at = at;
    const later = [...this.list.children].find((one) => Number(one.dataset.at) > at);
    this.list.insertBefore(node, later ?? null);
    this.list.scrollTop = this.list.scrollHeight;
  }

  async send(text) {
    const { id } = await post(`/sandbox/phones/${this.phone.phone}/send`, { to: this.peer, text });
    if (!this.messages.has(id)) this.put({ id, mine: true, text, at: Date.now() });
  }

  typing() {
    if (Date.now() - (this.typed ?? 0) < 3000) return;
    this.typed = Date.now();
    post(`/sandbox/phones/${this.phone.phone}/typing`, { to: this.peer }).catch(() => {});
  }

  async readAll() {
    const ids = [...this.messages.values()].filter((one) => !one.mine).map((one) => one.id);
    if (ids.length) await post(`/sandbox/phones/${this.phone.phone}/read`, { ids: ids.slice(-200) });
  }
}

customElements.define("wa-phone", Phone);

// Linking a number: the code as it comes over the WebSocket, or eight characters to type.
import { account, call, explain, get, post } from "./api.js";
import { View, busy, dialog, field, h, toast } from "./dom.js";
import { feed } from "./feed.js";
import { store } from "./store.js";
import { t } from "./words.js";

const ENDED = ["logged_out", "replaced", "banned", "outdated", "passkey_required", "failed", "stopped"];

/** Shows codes until the number is linked; resolves true when it was. */
export function linkDialog(session) {
  return dialog(t("link.title"), t("close"), (done) => {
    const link = document.createElement("wa-link");
    link.session = session;
    link.addEventListener("linked", () => done(true));
    return link;
  });
}

class Link extends View {
  open() {
    this.image = h("img", { alt: t("link.qr_alt"), width: 264, height: 264, hidden: true });
    this.figure = h("figure.qr", this.image);
    this.status = h("p.status", { role: "status" });
    this.left = h("p.left");
    this.again = h("button.primary", { type: "button", hidden: true, onclick: busy(() => this.begin(), this.tell) }, t("link.again"));
    this.replaceChildren(h("div.link",
      h("div.code", this.figure, this.status, this.left, this.again, this.byCode()),
      this.session.network === "sandbox" && account.may("sandbox") ? this.phone() : this.steps()));
    this.on(feed, "event", ({ detail }) => detail.session === this.session.id && this.happened(detail));
    this.every(250, () => this.count());
    this.begin().catch(this.tell);
  }

  close() {
    if (this.image.src) URL.revokeObjectURL(this.image.src);
  }

  tell = (problem) => {
    this.status.textContent = explain(problem);
  };

  async begin() {
    this.again.hidden = true;
    this.say(t("link.starting"));
    const state = store.sessions.get(this.session.id)?.state ?? this.session.state;
    if (state === "pairing") {
      const shown = await get(`/sessions/${this.session.id}/qr`).catch(() => null);
      if (shown) return this.show(shown);
    }
    store.put(await post(`/sessions/${this.session.id}/start`));
  }

  say(text) {
    this.status.textContent = text;
  }

  happened({ type, data }) {
    if (type === "session.qr_issued") this.show(data);
    else if (type === "session.state_changed") this.became(data);
  }

  async show(data) {
    this.expires = Date.parse(data.expires_at);
    this.number = data.number;
    const { blob } = await call("GET", `/sessions/${this.session.id}/qr`, { headers: { Accept: "image/svg+xml" }, as: "blob" });
    if (this.image.src) URL.revokeObjectURL(this.image.src);
    this.image.src = URL.createObjectURL(blob);
    this.image.hidden = false;
    this.figure.dataset.qr = data.qr;
    this.again.hidden = true;
    this.say(t("link.scan"));
    this.dispatchEvent(new Event("code"));
  }

  count() {
    const seconds = Math.max(0, Math.ceil((this.expires - Date.now()) / 1000));
    this.left.textContent = this.expires ? t("link.left", { seconds }) : "";
  }

  became(data) {
    if (data.state === "connected") return this.success();
    if (!ENDED.includes(data.state)) return;
    this.expires = null;
    this.image.hidden = true;
    delete this.figure.dataset.qr;
    this.say(t.maybe(`link.failed.${data.reason}`) ?? t.maybe(`reason.${data.reason}`) ?? data.reason);
    this.again.hidden = false;
  }

  success() {
    this.expires = null;
    toast(t("link.linked"), "good");
    this.dispatchEvent(new Event("linked"));
  }

  steps() {
    return h("ol.steps", ["link.step1", "link.step2", "link.step3"].map((step) => h("li", t(step))));
  }

  byCode() {
    const number = h("input", { name: "phone", type: "tel", required: true, placeholder: "+55 11 99999 9999", autocomplete: "tel" });
    this.code = h("output.pairing");
    const ask = async () => {
      const got = await post(`/sessions/${this.session.id}/pairing-code`, { phone: number.value });
      this.code.textContent = got.code;
      this.code.dataset.code = got.code;
      this.number_field = number;
      this.dispatchEvent(new Event("code"));
    };
    this.numberInput = number;
    return h("details.by-code", h("summary", t("link.by_code")),
      h("form", { onsubmit: busy(ask, this.tell) },
        field(t("link.number"), number, t("link.code_hint")),
        h("button", t("link.get_code"))), this.code);
  }

  phone() {
    const holder = h("div.virtual", h("h3", t("phone.title")), h("p", t("loading")));
    import("./phone.js").then(({ scanner }) => !this.gone.aborted && holder.replaceChildren(...scanner(this)), this.tell);
    return holder;
  }
}

customElements.define("wa-link", Link);

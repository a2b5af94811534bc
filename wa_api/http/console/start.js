// The first minutes: accounts and a tenant, then a number of the sandbox, then a message.
import { account, everything, explain, get, post } from "./api.js";
import { go } from "./app.js";
import { View, busy, field, h, toast } from "./dom.js";
import { until } from "./feed.js";
import { linkDialog } from "./link.js";
import { newPhone } from "./phone.js";
import { hasSandbox } from "./sessions.js";
import { store } from "./store.js";
import { t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");

class Start extends View {
  open() {
    this.replaceChildren(h("header.head", h("h1", t("start.title"))), h("p", t("loading")));
    (account.may("platform:admin") ? this.accounts() : this.number()).catch(tell);
  }

  steps(now) {
    return h("ol.progress", { "aria-label": t("start.title") }, ["start.step1", "start.step2", "start.step3"].map((step, n) =>
      h("li", { "aria-current": n === now ? "step" : null }, t(step))));
  }

  draw(step, ...content) {
    this.replaceChildren(h("header.head", h("h1", t("start.title"))), this.steps(step), h("div.card", content));
    this.querySelector("[autofocus]")?.focus();
  }

  async accounts() {
    const admins = (await everything("/users")).items;
    const tenant = h("input", { name: "tenant", required: true, maxlength: "100", value: t("start.tenant_example"), autofocus: true });
    const owner = h("input", { name: "owner", required: true, pattern: "\\S+", value: "owner", autocomplete: "username", autocapitalize: "none" });
    const admin = h("input", { name: "admin", required: true, pattern: "\\S+", value: "admin", autocomplete: "off", autocapitalize: "none" });
    const password = h("input", { name: "new-password", type: "password", required: true, minlength: "12", autocomplete: "new-password" });
    const make = async () => {
      if (!admins.length) {
        const made = await post("/users", { name: admin.value, password: password.value, role: "admin" });
        admins.push(made);
        // The first token belongs to nobody; from here on there is an account to come back with.
        await account.adopt(await account.signIn({ grant_type: "password", username: admin.value, password: password.value }, admin.value));
      }
      this.tenant ??= await post("/tenants", { name: tenant.value.trim() });
      await post("/users", { name: owner.value, password: password.value, role: "owner", tenant: this.tenant.id });
      const signedIn = await account.signIn({ grant_type: "password", username: owner.value, password: password.value }, owner.value);
      history.replaceState(null, "", "#/start");
      account.use(signedIn.id);
    };
    this.draw(0, h("h2", t("start.accounts")), h("p", t("start.accounts_text")),
      h("form", { onsubmit: busy(make, tell) }, field(t("start.tenant"), tenant, t("start.tenant_hint")),
        field(t("start.owner"), owner, t("start.owner_hint")), !admins.length && field(t("start.admin"), admin, t("start.admin_hint")),
        field(t("signin.password"), password, t(admins.length ? "users.password_hint" : "start.password_hint")),
        h("footer", h("button.quiet", { type: "button", onclick: () => go("tenants") }, t("start.later")), h("button.primary", t("start.go_on")))));
  }

  async number() {
    const sandbox = await hasSandbox();
    if (this.gone.aborted) return;
    const link = (network) => async () => {
      const made = await post("/sessions", { name: t(network === "sandbox" ? "start.sandbox_name" : "start.whatsapp_name"), network }).catch((problem) => {
        if (problem.code !== "name_taken") throw problem;
        return post("/sessions", { network });
      });
      store.put(made);
      if (await linkDialog(made)) await this.linked(made);
      else go("sessions");
    };
    this.draw(1, h("h2", t("start.number")), h("p", t("start.number_text")),
      h("footer", h("button.quiet", { type: "button", onclick: () => go("sessions") }, t("start.later")),
        h(sandbox ? "button" : "button.primary", { type: "button", data: { act: "whatsapp" }, onclick: busy(link("whatsapp"), tell) }, t("start.whatsapp")),
        sandbox && h("button.primary", { type: "button", data: { act: "sandbox" }, onclick: busy(link("sandbox"), tell) }, t("start.sandbox"))));
  }

  async linked(made) {
    const session = await get(`/sessions/${made.id}`);
    store.put(session);
    if (session.network !== "sandbox") return go(`chat/${session.id}`);
    this.draw(2, h("h2", t("start.message")), h("p", { role: "status" }, t("start.waiting")));
    const friend = await newPhone(t("phone.contact_name"));
    const arrived = until((event) => event.type === "message.received" && event.session === session.id, 15_000, this.gone);
    await post(`/sandbox/phones/${friend.phone}/send`, { to: session.phone, text: t("start.hello") });
    const event = await arrived;
    if (this.gone.aborted) return;
    if (!event) return this.draw(2, h("h2", t("start.message")), h("p.problem", { role: "alert" }, t("start.late")), this.toChat(session, `${friend.number}@s.whatsapp.net`));
    const { message } = event.data;
    this.draw(2, h("h2", t("start.arrived")), h("blockquote.bubble.in", h("strong", h("bdi", message.from?.name ?? friend.name)), h("div.text", { dir: "auto" }, message.text.body)),
      h("p", t("start.arrived_text")), this.toChat(session, message.chat.id));
  }

  toChat(session, chat) {
    return h("footer", h("button.primary", { type: "button", autofocus: true, data: { act: "to-chat" }, onclick: () => go(`chat/${session.id}/${encodeURIComponent(chat)}`) }, t("start.answer")));
  }
}

customElements.define("wa-start", Start);

// Who and what may call: users of the tenant, and keys for programs.
import { account, del, everything, explain, patch, post } from "./api.js";
import { auditTrail } from "./audit.js";
import { View, busy, dialog, field, h, icon, toast } from "./dom.js";
import { copyText } from "./events.js";
import { confirmed } from "./sessions.js";
import { store } from "./store.js";
import { ago, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
const SCOPES = ["sessions:read", "sessions:write", "messages:read", "messages:write", "events:read", "sandbox", "tenant:admin"];
const ROLES = ["owner", "agent", "viewer"];

/** A form for a new user; `fixed` are members that the caller knows already. */
export function userDialog(fixed = {}, roles = ROLES) {
  return dialog(t("users.new"), t("close"), (done) => {
    const name = h("input", { name: "username", required: true, pattern: "\\S+", autocomplete: "off", autocapitalize: "none", autofocus: true });
    const password = h("input", { name: "new-password", type: "password", minlength: "12", required: true, autocomplete: "new-password" });
    const role = h("select", { name: "role" }, roles.map((one) => h("option", { value: one }, t(`userrole.${one}`))));
    const make = async () => done(await post("/users", { name: name.value, password: password.value, role: role.value, ...fixed }));
    return h("form", { onsubmit: busy(make, tell) }, field(t("signin.name"), name), field(t("signin.password"), password, t("users.password_hint")),
      field(t("users.role"), role, roles.length > 1 && t("users.role_hint")), h("footer", h("button.primary", t("users.create"))));
  });
}

/** Show what is shown only now. */
export function secretDialog(title, text, secret) {
  return dialog(title, t("close"), (done) => h("div", h("p", text), h("output.secret", { tabIndex: 0 }, secret),
    h("footer", h("button", { type: "button", onclick: busy(() => copyText(secret), () => toast(t("copy_failed"), "bad")) }, t("copy")),
      h("button.primary", { type: "button", onclick: () => done() }, t("keys.kept")))));
}

class Access extends View {
  open() {
    this.users = h("ul.rows", { "aria-label": t("users.title") });
    this.keys = h("ul.rows", { "aria-label": t("keys.title") });
    const add = (label, work, act) => h("button.primary", { type: "button", data: { act }, onclick: busy(work, tell) }, icon("plus"), label);
    this.replaceChildren(h("header.head", h("h1", t("nav.access"))),
      h("section", h("header.head", h("h2", t("users.title")), add(t("users.new"), () => this.newUser(), "new-user")), this.users),
      h("section", h("header.head", h("h2", t("keys.title")), add(t("keys.new"), () => this.newKey(), "new-key")), this.keys),
      (this.trail = h("section")));
    this.load().catch(tell);
  }

  async load() {
    const [users, keys] = await Promise.all([everything("/users"), everything("/api-keys")]);
    if (this.gone.aborted) return;
    this.users.replaceChildren(...users.items.map((one) => this.user(one)));
    this.keys.replaceChildren(...keys.items.map((one) => this.key(one)));
    if (!users.items.length) this.users.append(h("li.empty", t("users.none")));
    if (!keys.items.length) this.keys.append(h("li.empty", t("keys.none")));
    this.trail.replaceChildren(auditTrail([...users.items, ...keys.items, ...store.list()]));
  }

  user(one) {
    const me = account.current().me.subject === one.id;
    const change = (body) => async () => {
      await patch(`/users/${one.id}`, body);
      await this.load();
    };
    return h("li.row", h("div.who", h("strong", h("bdi", one.name)), h("small", t.maybe(`userrole.${one.role}`) ?? one.role, me && ` · ${t("users.you")}`)),
      h("div.state", h(`span.badge.${one.disabled ? "idle" : "good"}`, t(one.disabled ? "users.disabled" : "users.active"))),
      h("div.actions", h("button", { type: "button", onclick: busy(() => this.password(one), tell) }, t("users.set_password")),
        !me && h("button", { type: "button", onclick: busy(change({ disabled: !one.disabled }), tell) }, t(one.disabled ? "users.enable" : "users.disable")),
        !me && h("button.quiet", { type: "button", onclick: busy(() => this.removeUser(one), tell) }, t("users.delete"))));
  }

  async newUser() {
    if (await userDialog()) await this.load();
  }

  password(one) {
    return dialog(t("users.set_password"), t("close"), (done) => {
      const password = h("input", { type: "password", name: "new-password", minlength: "12", required: true, autocomplete: "new-password", autofocus: true });
      const save = async () => {
        await patch(`/users/${one.id}`, { password: password.value });
        toast(t("users.password_set"), "good");
        done(true);
      };
      return h("form", { onsubmit: busy(save, tell) }, h("p", h("bdi", one.name)), field(t("signin.password"), password, t("users.signs_in_anew")),
        h("footer", h("button.primary", t("save"))));
    });
  }

  async removeUser(one) {
    if (!(await confirmed(t("users.delete"), t("users.delete_text", { name: one.name }), t("users.delete")))) return;
    await del(`/users/${one.id}`);
    await this.load();
  }

  key(one) {
    return h("li.row", h("div.who", h("strong", h("bdi", one.name)), h("small", one.scopes.join(" "))),
      h("div.state", h("small", one.last_used_at ? t("keys.used", { ago: ago(one.last_used_at) }) : t("keys.unused")),
        one.expires_at && h("small", t("keys.expires", { time: new Date(one.expires_at).toLocaleDateString() }))),
      h("div.actions", h("button", { type: "button", onclick: busy(() => this.revoke(one), tell) }, t("keys.revoke"))));
  }

  async revoke(one) {
    if (!(await confirmed(t("keys.revoke"), t("keys.revoke_text", { name: one.name }), t("keys.revoke")))) return;
    await del(`/api-keys/${one.id}`);
    await this.load();
  }

  async newKey() {
    const made = await dialog(t("keys.new"), t("close"), (done) => {
      const name = h("input", { name: "name", required: true, maxlength: "100", autofocus: true });
      const boxes = SCOPES.map((scope) => h("input", { type: "checkbox", value: scope, checked: scope !== "tenant:admin" && scope !== "sandbox" }));
      const make = async () => {
        const scopes = boxes.filter((box) => box.checked).map((box) => box.value);
        if (!scopes.length) return toast(t("keys.no_scope"), "bad");
        done(await post("/api-keys", { name: name.value.trim(), scopes }));
      };
      return h("form", { onsubmit: busy(make, tell) }, field(t("keys.name"), name),
        h("fieldset", h("legend", t("keys.scopes")), boxes.map((box) => h("label.toggle", box, h("span", h("code", box.value), " ", t(`scope.${box.value}`))))),
        h("footer", h("button.primary", t("keys.create"))));
    });
    if (!made) return;
    await secretDialog(t("keys.made"), t("keys.once"), made.key);
    await this.load();
  }
}

customElements.define("wa-access", Access);

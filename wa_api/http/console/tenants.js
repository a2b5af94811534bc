// Tenants, for the platform's administrators, who never see what is in them.
import { del, everything, explain, post } from "./api.js";
import { userDialog } from "./access.js";
import { go } from "./app.js";
import { auditTrail } from "./audit.js";
import { View, busy, dialog, field, h, icon, toast } from "./dom.js";
import { confirmed } from "./sessions.js";
import { ago, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");

class Tenants extends View {
  open() {
    this.list = h("ul.rows", { "aria-label": t("nav.tenants") });
    this.admins = h("ul.rows", { "aria-label": t("tenants.admins") });
    this.replaceChildren(
      h("header.head", h("h1", t("nav.tenants")),
        h("button", { type: "button", onclick: () => go("start") }, t("start.title")),
        h("button.primary", { type: "button", data: { act: "new-tenant" }, onclick: busy(() => this.create(), tell) }, icon("plus"), t("tenants.new"))),
      this.list,
      h("section", h("header.head", h("h2", t("tenants.admins")), h("button", { type: "button", onclick: busy(() => this.admin(), tell) }, icon("plus"), t("tenants.new_admin"))), this.admins),
      (this.trail = h("section")));
    this.load().catch(tell);
  }

  async load() {
    const [tenants, users] = await Promise.all([everything("/tenants"), everything("/users")]);
    if (this.gone.aborted) return;
    this.list.replaceChildren(...tenants.items.map((one) => this.tenant(one)));
    if (!tenants.items.length) this.list.append(h("li.empty", t("tenants.none")));
    this.admins.replaceChildren(...users.items.map((one) => h("li.row", h("div.who", h("strong", h("bdi", one.name)), h("small", t("userrole.admin"))))));
    this.trail.replaceChildren(auditTrail([...tenants.items, ...users.items]));
    if (!users.items.length) this.admins.append(h("li.empty", t("tenants.no_admin")));
  }

  tenant(one) {
    return h("li.row", h("div.who", h("strong", h("bdi", one.name)), h("small", h("code", one.id))),
      h("div.state", h("small", ago(one.created_at)), one.max_sessions && h("small", t("tenants.limit", { count: one.max_sessions }))),
      h("div.actions", h("button", { type: "button", onclick: busy(() => this.owner(one), tell) }, t("tenants.add_user")),
        h("button.quiet", { type: "button", onclick: busy(() => this.erase(one), tell) }, t("tenants.delete"))));
  }

  async create() {
    const made = await dialog(t("tenants.new"), t("close"), (done) => {
      const name = h("input", { name: "name", required: true, maxlength: "100", autofocus: true });
      const limit = h("input", { name: "max", type: "number", min: "1", max: "100000" });
      const make = async () => done(await post("/tenants", { name: name.value.trim(), max_sessions: limit.value ? Number(limit.value) : null }));
      return h("form", { onsubmit: busy(make, tell) }, field(t("start.tenant"), name), field(t("tenants.max"), limit, t("tenants.max_hint")),
        h("footer", h("button.primary", t("tenants.create"))));
    });
    if (made) await this.load();
  }

  async owner(one) {
    if (await userDialog({ tenant: one.id })) toast(t("tenants.user_made"), "good");
  }

  async admin() {
    if (await userDialog({}, ["admin"])) await this.load();
  }

  async erase(one) {
    if (!(await confirmed(t("tenants.delete"), t("tenants.delete_text", { name: one.name }), t("tenants.delete")))) return;
    await del(`/tenants/${one.id}`);
    await this.load();
  }
}

customElements.define("wa-tenants", Tenants);

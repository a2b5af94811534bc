// Who changed what, from where: newest first, for administrators.
import { explain, get } from "./api.js";
import { View, busy, h, toast } from "./dom.js";
import { t } from "./words.js";

const FAMILIES = ["user", "api_key", "session", "webhook", "tenant", "worker"];
const tell = (problem) => toast(explain(problem), "bad");

class Audit extends View {
  // `names` (id → name of users, keys and others that the page knows) may be set before.
  open() {
    this.kind = h("select", { "aria-label": t("audit.kind"), onchange: busy(() => this.load(true), tell) },
      h("option", { value: "" }, t("audit.all")), FAMILIES.map((one) => h("option", { value: `${one}.*` }, t(`audit.of.${one}`))));
    this.body = h("tbody");
    this.more = h("button", { type: "button", hidden: true, onclick: busy(() => this.load(false), tell) }, t("more"));
    this.none = h("p.empty", { hidden: true }, t("audit.none"));
    this.replaceChildren(
      h("header.head", h("h2", t("audit.title")), h("div.narrow", this.kind), h("button", { type: "button", onclick: busy(() => this.load(true), tell) }, t("refresh"))),
      h("div.table", { tabIndex: 0, role: "region", "aria-label": t("audit.title") },
        h("table", h("thead", h("tr", ["when", "who", "what", "which", "where"].map((name) => h("th", { scope: "col" }, t(`audit.${name}`))))), this.body)),
      this.none, this.more);
    this.load(true).catch(tell);
  }

  async load(anew) {
    if (anew) this.before = undefined;
    const page = await get("/audit", { action: this.kind.value, before: this.before, limit: 50 });
    if (this.gone.aborted) return;
    const rows = page.items.map((one) => this.row(one));
    if (anew) this.body.replaceChildren(...rows);
    else this.body.append(...rows);
    this.before = page.next;
    this.more.hidden = !page.next;
    this.none.hidden = this.body.childElementCount > 0;
  }

  row(one) {
    const named = (id) => h("bdi", { title: id }, this.names?.get(id) ?? one.details.name ?? id.slice(0, 18));
    const details = Object.entries(one.details).filter(([name]) => name !== "name");
    return h("tr", { data: { action: one.action } },
      h("td", h("time", { datetime: one.time }, new Date(one.time).toLocaleString(document.documentElement.lang))),
      h("td", h("bdi", { title: one.subject }, this.names?.get(one.subject) ?? one.subject.slice(0, 18))),
      h("td", t.maybe(`audit.${one.action}`) ?? one.action),
      h("td.what", named(one.target), details.length > 0 && h("small", details.map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(" ") : typeof value === "object" ? JSON.stringify(value) : value}`).join(" · "))),
      h("td", h("code", one.address)));
  }
}

customElements.define("wa-audit", Audit);

/** The trail as an element; `things` are users, keys and others with id and name. */
export function auditTrail(things) {
  const trail = document.createElement("wa-audit");
  trail.names = new Map(things.map((one) => [one.id, one.name]));
  return trail;
}

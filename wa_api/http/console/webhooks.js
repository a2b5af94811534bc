// Webhooks: where events are sent, what came of it, and what to do about what was given up.
import { del, everything, explain, get, patch, post } from "./api.js";
import { secretDialog } from "./access.js";
import { go } from "./app.js";
import { View, busy, dialog, field, h, icon, pairs, toast } from "./dom.js";
import { feed } from "./feed.js";
import { confirmed, nameOf } from "./sessions.js";
import { store } from "./store.js";
import { ago, clock, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
const STATES = { enabled: "good", paused: "wait", disabled: "bad" };
const nameOfHook = (one) => one.name || new URL(one.url).host;

const stateOf = (one) => h(`span.badge.${STATES[one.state]}`, { data: { state: one.state } }, t(`webhook.${one.state}`));

/** Make a webhook, or change `one`; resolves with the API's answer. */
function editor(one) {
  return dialog(t(one ? "webhook.edit" : "webhook.new"), t("close"), (done) => {
    const url = h("input", { name: "url", type: "url", required: true, autofocus: true, value: one?.url ?? "", placeholder: "https://example.com/whatsapp" });
    const name = h("input", { name: "name", maxlength: "100", value: one?.name ?? "" });
    const types = h("input", { name: "types", value: one?.types?.join(", ") ?? "", placeholder: "message.*, session.state_changed" });
    const sessions = h("select", { name: "sessions", multiple: true, size: "3" },
      store.list().map((each) => h("option", { value: each.id, selected: one?.sessions?.includes(each.id) ?? false }, nameOf(each))));
    const headers = h("textarea", { name: "headers", rows: "2", placeholder: "X-Api-Key: …", spellcheck: "false" });
    const order = h("select", { name: "order" }, ["chat", "none"].map((each) => h("option", { value: each, selected: one?.order === each }, t(`webhook.order.${each}`))));
    const number = (key, most, usual) => h("input", { name: key, type: "number", min: "1", max: String(most), required: true, value: String(one?.[key] ?? usual) });
    const [concurrency, batch, timeout] = [number("concurrency", 50, 10), number("batch", 100, 1), number("timeout", 30, 15)];
    const save = async () => {
      const body = {
        url: url.value.trim(), types: types.value.split(",").map((each) => each.trim()).filter(Boolean),
        sessions: [...sessions.selectedOptions].map((each) => each.value), order: order.value,
        concurrency: Number(concurrency.value), batch: Number(batch.value), timeout: Number(timeout.value),
      };
      if (name.value.trim()) body.name = name.value.trim();
      if (headers.value.trim()) body.headers = pairs(headers.value);
      done(await (one ? patch(`/webhooks/${one.id}`, body) : post("/webhooks", body)));
    };
    return h("form", { onsubmit: busy(save, tell) }, field(t("webhook.url"), url), field(t("webhook.name"), name),
      field(t("webhook.types"), types, t("webhook.types_hint")), field(t("webhook.sessions"), sessions, t("webhook.sessions_hint")),
      h("details", h("summary", t("webhook.further")), h("div.further",
        field(t("webhook.headers"), headers, one?.headers ? t("webhook.headers_kept", { names: one.headers.join(", ") }) : t("webhook.headers_hint")),
        field(t("webhook.order"), order), field(t("webhook.concurrency"), concurrency), field(t("webhook.batch"), batch), field(t("webhook.timeout"), timeout))),
      h("footer", h("button.primary", t(one ? "save" : "webhook.create"))));
  });
}

class Webhooks extends View {
  open() {
    this.on(feed, "event", ({ detail }) => detail.type.startsWith("webhook.") && this.soon());
    this.every(5000, () => document.hidden || this.soon());
    this.moved(this.place ?? []);
  }

  moved([webhook]) {
    this.webhook = webhook;
    this.load().catch(tell);
  }

  /** What changed elsewhere; a look that fails is followed by another. */
  soon() {
    if (!document.querySelector("dialog")) this.load().catch(() => {});
  }

  async load() {
    const wanted = this.webhook;
    const found = wanted ? await this.read(wanted) : (await everything("/webhooks")).items;
    if (this.gone.aborted || wanted !== this.webhook) return;
    const mark = JSON.stringify([wanted, this.failed, found]);
    if (mark === this.mark) return;
    this.mark = mark;
    const focused = this.contains(document.activeElement) && document.activeElement.dataset.act;
    this.replaceChildren(...(wanted ? this.one(...found) : this.all(found)));
    if (focused) this.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  read(id) {
    const path = `/webhooks/${id}`;
    const query = { limit: 50, delivered: this.failed ? false : undefined };
    return Promise.all([get(path), get(`${path}/deliveries`, query), get(`${path}/dead-letters`, { limit: 50 })]);
  }

  // ── all of them ──

  all(items) {
    return [
      h("header.head", h("h1", t("nav.webhooks")),
        h("button.primary", { type: "button", data: { act: "new-webhook" }, onclick: busy(() => this.create(), tell) }, icon("plus"), t("webhook.new"))),
      items.length ? h("ul.rows", { "aria-label": t("nav.webhooks") }, items.map((one) => this.row(one))) : h("p.empty", t("webhook.none"))];
  }

  row(one) {
    return h("li.row", h("div.who", h("strong", h("bdi", nameOfHook(one))), h("small", h("bdi", one.url))),
      h("div.state", stateOf(one), h("small", t.maybe(`webhook.reason.${one.reason}`) ?? one.reason, " · ", ago(one.since))),
      h("div.actions", h("button", { type: "button", data: { act: "open" }, onclick: () => go(`webhooks/${one.id}`) }, t("webhook.open"))));
  }

  async create() {
    const made = await editor(null);
    if (!made) return;
    await secretDialog(t("webhook.secret"), t("webhook.secret_once"), made.secret);
    go(`webhooks/${made.id}`);
  }

  // ── one ──

  one(one, deliveries, letters) {
    const path = `/webhooks/${one.id}`;
    const act = (name, work, kind = "") => h(`button${kind}`, { type: "button", data: { act: name }, onclick: busy(async () => { await work(one); await this.load(); }, tell) }, t(`webhook.act.${name}`));
    return [
      h("header.head", h("a.backwards", { href: "#/webhooks", "aria-label": t("back") }, icon("back")), h("h1", h("bdi", nameOfHook(one))), stateOf(one)),
      h("p.hint", h("bdi", one.url)),
      one.detail && h("p.problem", one.detail),
      h("div.actions.wide", act("test", () => this.test(one)), one.state === "enabled" ? act("pause", () => post(`${path}/pause`)) : act("resume", () => post(`${path}/resume`), ".primary"),
        act("edit", () => editor(one)), act("rotate", () => this.rotate(one)), act("replay", () => this.replay(one)), act("delete", () => this.erase(one), ".quiet")),
      h("dl.sums", [["webhook.waiting", one.waiting ?? 0], ["webhook.dead", one.dead_letters ?? 0], ["webhook.types", one.types?.join(", ") ?? t("webhook.all_types")], ["webhook.sessions", one.sessions?.length ?? t("webhook.all_sessions")]]
        .map(([name, value]) => h("div", h("dt", t(name)), h("dd.small", value)))),
      this.log(deliveries.items),
      this.dead(one, letters.items)].filter(Boolean);
  }

  log(items) {
    const only = h("input", { type: "checkbox", checked: Boolean(this.failed), data: { act: "failed" }, onchange: () => { this.failed = only.checked; this.load().catch(tell); } });
    return h("section", h("header.head", h("h2", t("webhook.log")), h("label.toggle", only, h("span", t("webhook.only_failed")))),
      items.length ? h("div.table", { tabIndex: 0, role: "region", "aria-label": t("webhook.log") }, h("table",
        h("thead", h("tr", ["when", "event", "result", "took", "attempt"].map((name) => h("th", { scope: "col" }, t(`webhook.${name}`))))),
        h("tbody", items.map((one) => h("tr", { data: { delivered: String(one.delivered) } },
          h("td", h("time", { datetime: one.time }, clock(one.time, true))), h("td", h("code", one.type), one.events > 1 && ` ×${one.events}`),
          h("td.what", h(`span.badge.${one.delivered ? "good" : "bad"}`, one.status ?? t("webhook.no_answer")), one.error && h("small", one.error), one.response && h("small", h("bdi", one.response.slice(0, 200)))),
          h("td", `${one.duration_ms} ms`), h("td", one.attempt)))))) : h("p.empty", t("webhook.no_log")));
  }

  dead(one, items) {
    const path = `/webhooks/${one.id}`;
    const act = (name, body, work) => h("button", { type: "button", data: { act: name }, onclick: busy(async () => { if (await work(body)) await this.load(); }, tell) }, t(`webhook.act.${name}`));
    const redrive = async (body) => {
      const { events } = await post(`${path}/redrive`, body);
      toast(t("webhook.redriven", { count: events }), "good");
      return true;
    };
    const discard = async () => (await confirmed(t("webhook.act.discard"), t("webhook.discard_text"), t("webhook.act.discard"))) && del(`${path}/dead-letters`);
    return h("section", h("header.head", h("h2", t("webhook.dead")), items.length > 0 && [act("redrive", {}, redrive), act("discard", {}, discard)]),
      items.length ? h("ul.rows", items.map((each) => h("li.row", h("div.who", h("code", each.type), h("small", t("webhook.attempts", { count: each.attempts }), " · ", each.dead_at && ago(each.dead_at))),
        h("div.state", h("small", each.error ?? "", each.status ? ` ${each.status}` : "")),
        h("div.actions", act("redrive", { events: [each.id] }, redrive)),
        h("details.whole", h("summary", t("webhook.show")), h("pre", { tabIndex: 0 }, JSON.stringify(each.event, null, 2)))))) : h("p.empty", t("webhook.no_dead")));
  }

  async test(one) {
    const got = await post(`/webhooks/${one.id}/test`);
    if (got.delivered) toast(t("webhook.test_good", { status: got.status, ms: got.duration_ms }), "good");
    else toast(t("webhook.test_bad", { why: got.error ?? got.status }), "bad");
  }

  async rotate(one) {
    if (!(await confirmed(t("webhook.act.rotate"), t("webhook.rotate_text"), t("webhook.act.rotate")))) return;
    const { secret } = await post(`/webhooks/${one.id}/rotate-secret`);
    await secretDialog(t("webhook.secret"), t("webhook.secret_once"), secret);
  }

  replay(one) {
    return dialog(t("webhook.act.replay"), t("close"), (done) => {
      const since = h("input", { name: "since", type: "datetime-local", required: true, autofocus: true });
      const work = async () => done(await post(`/webhooks/${one.id}/replay`, { since: new Date(since.value).getTime() / 1000 }));
      return h("form", { onsubmit: busy(work, tell) }, h("p", t("webhook.replay_text")), field(t("webhook.since"), since), h("footer", h("button.primary", t("webhook.act.replay"))));
    });
  }

  async erase(one) {
    if (!(await confirmed(t("webhook.act.delete"), t("webhook.delete_text"), t("webhook.act.delete")))) return;
    await del(`/webhooks/${one.id}`);
    this.webhook = null;
    go("webhooks");
  }
}

customElements.define("wa-webhooks", Webhooks);

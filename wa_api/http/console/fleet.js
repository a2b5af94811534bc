// The processes that make up the gateway, for its administrators: how they do, and what they run.
import { explain, get, post } from "./api.js";
import { chart } from "./chart.js";
import { View, busy, dialog, h, toast } from "./dom.js";
import { figures } from "./figures.js";
import { confirmed } from "./sessions.js";
import { ago, t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
const rate = (value) => t("fleet.per_second", { value: value < 10 ? value.toFixed(1) : Math.round(value) });
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

class Fleet extends View {
  open() {
    this.sums = h("dl.sums");
    this.charts = h("div.charts");
    this.body = h("tbody");
    const heads = ["role", "network", "state", "sessions", "memory", "lag", "host", "age", ""];
    this.replaceChildren(h("header.head", h("h1", t("nav.fleet"))), this.sums, this.charts,
      h("div.table", { tabIndex: 0, role: "region", "aria-label": t("nav.fleet") },
        h("table", h("thead", h("tr", heads.map((name) => h("th", { scope: "col" }, name ? t(`fleet.${name}`) : h("span.unseen", t("fleet.actions")))))), this.body)));
    this.every(2000, () => document.hidden || this.look());
    this.look();
  }

  async look() {
    try {
      const { workers } = await get("/fleet", {}, { signal: this.gone });
      this.workers = workers;
      figures.add(workers);
      this.draw(workers);
    } catch (problem) {
      if (!this.gone.aborted) this.sums.replaceChildren(h("p.problem", { role: "alert" }, explain(problem)));
    }
  }

  draw(workers) {
    const own = workers.filter((one) => one.role === "sessions");
    const sum = (pick) => own.reduce((total, one) => total + pick(one), 0);
    this.sums.replaceChildren(...[
      ["fleet.processes", workers.length],
      ["fleet.sessions", `${sum((one) => one.sessions)} / ${sum((one) => one.capacity)}`],
      ["fleet.online", sum((one) => one.figures.online ?? 0)],
      ["fleet.readers", workers.reduce((total, one) => total + (one.figures.readers ?? 0), 0)],
    ].map(([name, value]) => h("div", h("dt", t(name)), h("dd", value))));
    this.drawCharts();
    const focused = document.activeElement?.dataset?.of;
    this.body.replaceChildren(...workers.map((one) => this.row(one)));
    if (focused) this.body.querySelector(`[data-of="${focused}"]`)?.focus();
  }

  drawCharts() {
    const line = (name) => ({ name: t(`fleet.${name}`), values: figures.lines[name] });
    this.charts.replaceChildren(
      chart(t("fleet.throughput"), [line("requests"), line("events")], rate),
      chart(t("fleet.latency"), [line("mean"), line("slowest")], ms),
      chart(t("fleet.errors"), [line("failures")], rate),
      chart(t("fleet.delay"), [line("lag")], ms));
  }

  row(one) {
    const bytes = one.figures.rss_bytes;
    const lag = one.figures.loop_lag_seconds;
    const load = h("meter", { min: 0, max: one.capacity || 1, value: one.sessions, "aria-label": t("fleet.sessions") });
    return h("tr", { data: { worker: one.worker } },
      h("th", { scope: "row" }, t.maybe(`role.${one.role}`) ?? one.role, h("code", { title: one.worker }, one.worker.slice(-8))),
      h("td", one.network || "–"),
      h("td", h(`span.badge.${one.state === "ready" ? "good" : "wait"}`, t.maybe(`worker.${one.state}`) ?? one.state)),
      h("td", one.role === "sessions" ? [load, ` ${one.sessions}/${one.capacity}`] : "–"),
      h("td", bytes ? `${Math.round(bytes / 1048576)} MB` : "–"),
      h("td", lag === undefined ? "–" : ms(lag * 1000)),
      h("td", `${one.host} · ${one.pid}`),
      h("td", ago(one.started * 1000)),
      h("td", one.role === "sessions" && h("div.actions",
        h("button", { type: "button", data: { of: `sessions-${one.worker}`, act: "owned" }, onclick: busy(() => this.owned(one), tell) }, t("fleet.sessions")),
        one.state === "ready" && h("button", { type: "button", data: { of: `drain-${one.worker}`, act: "drain" }, onclick: busy(() => this.drain(one), tell) }, t("fleet.drain")))));
  }

  async drain(one) {
    if (!(await confirmed(t("fleet.drain"), t("fleet.drain_text", { count: one.sessions }), t("fleet.drain")))) return;
    await post(`/fleet/${one.worker}/drain`);
    toast(t("fleet.told"));
    await this.look();
  }

  /** What a worker runs, a page at a time, each with a way to move it elsewhere. */
  async owned(one) {
    const list = h("ul.rows");
    const more = h("button", { type: "button", hidden: true, onclick: busy(() => load(), tell) }, t("more"));
    let after;
    const load = async () => {
      const page = await get(`/fleet/${one.worker}/sessions`, { after, limit: 50 });
      list.append(...page.items.map((session) => this.session(one, session)));
      after = page.next;
      more.hidden = !after;
      if (!list.childElementCount) list.append(h("li.empty", t("fleet.no_sessions")));
    };
    await load();
    await dialog(t("fleet.sessions_of", { worker: one.worker.slice(-8) }), t("close"), () => h("div", list, more));
  }

  session(worker, one) {
    const others = this.workers.filter((other) => other.role === "sessions" && other.network === worker.network && other.worker !== worker.worker && other.state === "ready");
    const to = h("select", { "aria-label": t("fleet.move_to") }, h("option", { value: "" }, t("fleet.any_worker")),
      others.map((other) => h("option", { value: other.worker }, `${other.worker.slice(-8)} (${other.sessions}/${other.capacity})`)));
    const row = h("li.row", { data: { session: one.id } },
      h("div.who", h("code", { title: one.tenant }, one.id), h("small", t(`state.${one.state}`), " · ", ago(one.since))),
      h("div.actions", others.length ? [to, h("button", { type: "button", data: { act: "move" }, onclick: busy(() => this.move(one, to.value, row), tell) }, t("fleet.move"))] : h("small", t("fleet.no_other"))));
    return row;
  }

  async move(one, to, row) {
    if (!(await confirmed(t("fleet.move"), t("fleet.move_text"), t("fleet.move")))) return;
    await post(`/fleet/sessions/${one.id}/move`, to ? { to } : {});
    toast(t("fleet.told"));
    row.remove();
  }
}

customElements.define("wa-fleet", Fleet);

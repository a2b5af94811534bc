// The frame: who is signed in, which view is shown, and whether the connection lives.
import { account, explain } from "./api.js";
import { View, busy, h, icon, toast } from "./dom.js";
import { feed } from "./feed.js";
import { store } from "./store.js";
import { LANGUAGES, language, setLanguage, t } from "./words.js";

const VIEWS = {
  start: { tag: "wa-start", file: "start.js" },
  sessions: { tag: "wa-sessions", file: "sessions.js", scope: "sessions:read" },
  chat: { tag: "wa-chat", file: "chat.js", scope: "messages:read" },
  events: { tag: "wa-events", file: "events.js", scope: "events:read" },
  webhooks: { tag: "wa-webhooks", file: "webhooks.js", scope: "tenant:admin" },
  access: { tag: "wa-access", file: "access.js", scope: "tenant:admin" },
  tenants: { tag: "wa-tenants", file: "tenants.js", scope: "platform:admin" },
  fleet: { tag: "wa-fleet", file: "fleet.js", scope: "platform:admin" },
};

export const go = (path) => {
  location.hash = `#/${path}`;
};

class App extends View {
  open() {
    document.documentElement.lang = language();
    this.on(window, "hashchange", () => this.route());
    this.on(account, "switched", () => this.enter());
    this.on(account, "out", ({ detail }) => this.left(detail));
    this.on(feed, "state", () => this.banner());
    this.on(feed, "event", ({ detail }) => store.apply(detail));
    this.on(feed, "reload", () => store.load().catch(() => {}));
    this.begin();
  }

  async begin() {
    const found = /^#(one-time|token)=(.+)$/.exec(location.hash);
    if (found) {
      history.replaceState(null, "", "/");
      const { redeem } = await import("./signin.js");
      try {
        account.use((await redeem(decodeURIComponent(found[2]))).id);
        if (account.may("platform:admin")) go("start");
        return;
      } catch (problem) {
        toast(explain(problem), "bad");
      }
    }
    this.enter();
  }

  enter() {
    feed.stop();
    store.clear();
    if (!account.current()) return this.signIn();
    if (account.may("events:read")) feed.start();
    if (account.may("sessions:read")) store.load().catch((problem) => toast(explain(problem), "bad"));
    this.shell();
    this.route();
  }

  left(why) {
    if (why === "lost") toast(t("problem.token_revoked"), "bad");
    for (const box of document.querySelectorAll("dialog")) box.close();
    history.replaceState(null, "", "/");
    this.enter();
  }

  async signIn() {
    await import("./signin.js");
    this.view = null;
    this.replaceChildren(document.createElement("wa-signin"));
  }

  allowed() {
    return Object.entries(VIEWS).filter(([, view]) => view.scope && account.may(view.scope));
  }

  shell() {
    const links = this.allowed().map(([name]) =>
      h("a", { href: `#/${name}`, data: { view: name } }, icon(name), h("span", t(`nav.${name}`))));
    this.links = links;
    this.notice = h("p.banner", { role: "status", hidden: true });
    this.main = h("main", { id: "main", tabIndex: -1 });
    this.view = null;
    const skip = h("button.skip.plain", { type: "button", onclick: () => this.main.focus() }, t("nav.skip"));
    this.replaceChildren(
      skip,
      h("nav", { "aria-label": t("nav.main") }, h("strong.brand", "wa-api"), links, this.menu()),
      h("div.page", this.notice, this.main));
    this.banner();
  }

  menu() {
    const who = account.current();
    const others = account.others().map((one) =>
      h("button.plain", { type: "button", onclick: () => { account.use(one.id); go(""); } },
        t("account.switch", { name: one.label })));
    const out = busy(() => account.signOut(), (problem) => toast(explain(problem), "bad"));
    return h("details.account",
      h("summary", { "aria-label": t("account.menu") }, icon("account"), h("span", h("bdi", who.label))),
      h("div.menu", h("p", h("bdi", who.label)), others, languages(() => { this.shell(); this.route(); }),
        h("button", { type: "button", onclick: out, data: { act: "sign-out" } }, t("account.sign_out"))));
  }

  banner() {
    if (!this.notice) return;
    const state = account.may("events:read") ? feed.state : "live";
    document.documentElement.dataset.feed = feed.state;
    this.notice.hidden = ["live", "closed", "connecting"].includes(state);
    this.notice.textContent = this.notice.hidden ? "" : t(`feed.${state}`);
  }

  async route() {
    if (!account.current() || !this.main) return;
    const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    const known = VIEWS[name];
    const may = known && (!known.scope || account.may(known.scope)) && (name !== "start" || account.may("platform:admin") || account.may("sandbox"));
    if (!may) {
      const first = this.allowed()[0]?.[0];
      if (!first) return this.main.replaceChildren(h("p.empty", t("nav.nothing")));
      return history.replaceState(null, "", `#/${first}`), this.route();
    }
    for (const link of this.links) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.querySelector(".account")?.removeAttribute("open");
    document.title = `${t(`nav.${name}`)} · wa-api`;
    this.dataset.view = name;
    if (this.view?.localName === known.tag && this.view.moved) return this.view.moved(rest);
    await import(`./${known.file}`);
    if (location.hash.replace(/^#\/?/, "").split("/")[0] !== name) return;
    this.view = document.createElement(known.tag);
    this.view.place = rest;
    this.main.replaceChildren(this.view);
  }
}

/** The choice of language; `changed` draws anew. */
export function languages(changed) {
  return h("label.languages", h("span", t("account.language")),
    h("select", { onchange: (event) => { setLanguage(event.target.value); changed(); } },
      Object.entries(LANGUAGES).map(([code, name]) =>
        h("option", { value: code, selected: code === language() }, name))));
}

customElements.define("wa-app", App);

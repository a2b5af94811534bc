// Signing in: name and password, or whatever token a person has.
import { account, explain } from "./api.js";
import { languages } from "./app.js";
import { View, busy, field, h } from "./dom.js";
import { t } from "./words.js";

/** Use a pasted text for what it looks like: an API key, a JWT, or a one-time token. */
export function redeem(text) {
  const token = text.trim().replace(/^.*#(one-time|token)=/, "");
  if (token.startsWith("wa_")) return account.signIn({ grant_type: "api_key", api_key: token }, t("signin.key"));
  if (token.split(".").length === 3) return account.pasted(token);
  return account.signIn({ grant_type: "one_time", token }, t("signin.admin"));
}

class SignIn extends View {
  open() {
    document.title = `${t("signin.title")} · wa-api`;
    this.problem = h("p.problem", { role: "alert" });
    const name = h("input", { name: "username", autocomplete: "username", required: true, autofocus: true, autocapitalize: "none" });
    const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
    const token = h("input", { name: "token", type: "password", autocomplete: "off", required: true });
    this.replaceChildren(h("div.signin", { role: "main" },
      h("h1", "wa-api"),
      h("p.lead", t("signin.lead")),
      this.form(t("signin.button"), [field(t("signin.name"), name), field(t("signin.password"), password)],
        () => account.signIn({ grant_type: "password", username: name.value.trim(), password: password.value }, name.value.trim())),
      h("details", h("summary", t("signin.other")),
        this.form(t("signin.use_token"), [field(t("signin.token"), token, t("signin.token_hint"))], () => redeem(token.value))),
      this.problem,
      account.others().map((one) => h("button", { type: "button", onclick: () => account.use(one.id) }, t("account.switch", { name: one.label }))),
      languages(() => this.open())));
    name.focus();
  }

  form(label, fields, work) {
    const enter = async () => {
      this.problem.textContent = "";
      const signedIn = await work();
      account.use(signedIn.id);
      if (signedIn.kind === "one_time") location.hash = "#/start";
    };
    return h("form", { onsubmit: busy(enter, (problem) => { this.problem.textContent = explain(problem); }) },
      fields, h("button.primary", label));
  }
}

customElements.define("wa-signin", SignIn);

// What a session is set to: its name, what it keeps and tells, and the way it takes.
import { explain, get, patch } from "./api.js";
import { busy, dialog, field, h, pairs, toast } from "./dom.js";
import { store } from "./store.js";
import { t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
const KINDS = ["group", "status", "newsletter", "broadcast", "direct"];
const lines = (text) => text.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);
const toggle = (box, label) => h("label.toggle", box, h("span", label));

/** Change a session's settings; resolves when the dialogue is closed. */
export async function settingsDialog({ id }) {
  const one = await get(`/sessions/${id}`);
  const now = one.settings ?? {};
  return dialog(t("settings.title"), t("close"), (done) => {
    const check = (name, checked) => h("input", { type: "checkbox", name, checked });
    const name = h("input", { name: "name", maxlength: "100", value: one.name ?? "", autofocus: true });
    const online = check("show_online", now.show_online ?? true);
    const calls = check("reject_calls", now.reject_calls ?? false);
    const kinds = KINDS.map((kind) => check(kind, now.ignore?.kinds?.includes(kind) ?? false));
    const chats = h("textarea", { name: "chats", rows: "2", spellcheck: "false", value: (now.ignore?.chats ?? []).join("\n"), placeholder: "+5511999999999" });
    const noted = Object.entries(one.metadata ?? {}).map(([key, value]) => `${key}: ${value}`).join("\n");
    const metadata = h("textarea", { name: "metadata", rows: "3", spellcheck: "false", placeholder: "crm.id: 42", value: noted });
    const proxy = h("input", { name: "proxy", autocomplete: "off", spellcheck: "false", placeholder: one.proxy ?? "socks5://…" });
    const direct = check("direct", false);
    const save = async () => {
      const ignore = { kinds: kinds.filter((box) => box.checked).map((box) => box.name), chats: lines(chats.value) };
      const body = {
        // Settings are replaced as a whole: what is not shown here stays.
        settings: { ...now, show_online: online.checked, reject_calls: calls.checked, ignore },
      };
      // Untouched it stays: a value may have lines of its own.
      if (metadata.value !== noted) body.metadata = pairs(metadata.value);
      if (name.value.trim() !== (one.name ?? "")) body.name = name.value.trim();
      if (direct.checked) body.proxy = "";
      else if (proxy.value.trim()) body.proxy = proxy.value.trim();
      store.put(await patch(`/sessions/${id}`, body));
      toast(t("settings.saved"), "good");
      done();
    };
    return h("form", { onsubmit: busy(save, tell) },
      field(t("sessions.name"), name),
      h("fieldset", h("legend", t("settings.ignore")), h("small", t("settings.ignore_hint")),
        kinds.map((box) => toggle(box, t(`settings.kind.${box.name}`))), field(t("settings.chats"), chats, t("settings.chats_hint"))),
      field(t("settings.metadata"), metadata, t("settings.metadata_hint")),
      h("details", h("summary", t("webhook.further")), h("div.further",
        toggle(online, t("settings.show_online")), toggle(calls, t("settings.reject_calls")),
        field(t("settings.proxy"), proxy, one.proxy ? t("settings.proxy_kept", { proxy: one.proxy }) : t("settings.proxy_hint")),
        one.proxy && toggle(direct, t("settings.direct")))),
      h("footer", h("button.primary", t("save"))));
  });
}

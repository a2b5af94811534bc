// Writing into a chat: text, answers, changes, files and voice notes.
import { explain } from "./api.js";
import { summary } from "./bubble.js";
import { View, busy, dialog, field, h, icon, toast } from "./dom.js";
import { amount, kindOf, length } from "./media.js";
import { t } from "./words.js";

const MAX_BYTES = 65_536;
const MAX_FILE = 100 * 1024 * 1024;
const SOUNDS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const tell = (problem) => toast(explain(problem), "bad");

class Composer extends View {
  // `thread` is set before: it sends, and is told of typing.
  open() {
    this.about = h("p.about", { hidden: true });
    this.text = h("textarea", { rows: 1, placeholder: t("chat.write"), "aria-label": t("chat.write"), name: "message" });
    this.text.addEventListener("keydown", (event) => this.key(event));
    this.text.addEventListener("input", () => this.grown());
    this.text.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length) event.preventDefault(), this.offer([...event.clipboardData.files]);
    });
    const files = h("input", { type: "file", multiple: true, hidden: true, name: "files", onchange: () => { this.offer([...files.files]); files.value = ""; } });
    this.voice = h("button.plain.icon-only", { type: "button", "aria-label": t("media.record"), title: t("media.record"), data: { act: "record" }, onclick: busy(() => this.record(), tell) }, icon("voice"));
    this.form = h("form.composer", { onsubmit: (event) => { event.preventDefault(); this.send(); } },
      files, h("button.plain.icon-only", { type: "button", "aria-label": t("media.attach"), title: t("media.attach"), data: { act: "attach" }, onclick: () => files.click() }, icon("attach")),
      this.text, window.MediaRecorder && this.voice, h("button.primary.icon-only", { "aria-label": t("chat.send"), data: { act: "send" } }, icon("send")));
    this.replaceChildren(this.about, this.form);
  }

  close() {
    this.recorder?.stop();
  }

  key(event) {
    if (event.key === "Escape" && this.target) return this.aboutNothing();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.send();
  }

  grown() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
    this.thread.typing(this.text.value ? "typing" : "paused");
  }

  // ── answering and changing ──

  reply(message) {
    this.aboutOne(message, "reply");
  }

  edit(message) {
    this.aboutOne(message, "edit");
    this.text.value = message[message.type].body ?? message[message.type].caption ?? "";
    this.grown();
  }

  aboutOne(message, how) {
    this.target = { message, how };
    this.about.replaceChildren(icon(how), h("span", t(`chat.${how}`), ": ", h("bdi", summary(message).slice(0, 120))),
      h("button.plain.icon-only", { type: "button", "aria-label": t("cancel"), onclick: () => this.aboutNothing() }, icon("close")));
    this.about.hidden = false;
    this.text.focus();
  }

  aboutNothing() {
    if (this.target?.how === "edit") this.text.value = "";
    this.target = null;
    this.about.hidden = true;
    this.grown();
  }

  send() {
    const body = this.text.value;
    if (!body.trim()) return;
    if (new TextEncoder().encode(body).length > MAX_BYTES) return toast(t("chat.too_long"), "bad");
    const { target } = this;
    this.text.value = "";
    this.aboutNothing();
    if (target?.how === "edit") return this.thread.act("edit", { message_id: target.message.id, body });
    this.thread.send({ type: "text", text: { body }, ...this.context(target) }, { text: body });
  }

  context(target) {
    return target ? { context: { message_id: target.message.id } } : {};
  }

  // ── files ──

  /** Look at what was chosen or dropped, then send it; the text goes with the first. */
  offer(files) {
    const large = files.find((file) => file.size > MAX_FILE);
    if (large) return toast(t("media.too_large", { name: large.name }), "bad");
    if (!files.length) return;
    return dialog(t("media.send"), t("close"), (done) => {
      const caption = h("input", { name: "caption", maxlength: "1024", value: this.text.value, autofocus: true });
      const send = () => {
        const { target } = this;
        this.text.value = "";
        this.aboutNothing();
        files.forEach((file, n) => this.sendFile(file, n ? "" : caption.value.trim(), n ? null : target));
        done();
      };
      return h("form", { onsubmit: (event) => { event.preventDefault(); send(); } },
        h("ul.files", files.map((file) => h("li.file", icon("file"), h("span", h("bdi", file.name), h("small", amount(file.size)))))),
        field(t("media.caption"), caption), h("footer", h("button.primary", t("chat.send"))));
    });
  }

  sendFile(file, caption, target, voice = false) {
    const kind = voice ? "audio" : kindOf(file);
    const content = {};
    if (caption && kind !== "audio") content.caption = caption;
    if (kind === "document") content.filename = file.name;
    if (voice) content.voice = true;
    this.thread.send({ type: kind, [kind]: content, ...this.context(target) }, { text: caption, file });
  }

  // ── voice notes ──

  async record() {
    if (this.recorder) return this.recorder.stop();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null);
    if (!stream) return toast(t("media.no_microphone"), "bad");
    const parts = [];
    const recorder = new MediaRecorder(stream, { mimeType: SOUNDS.find((type) => MediaRecorder.isTypeSupported(type)) });
    this.recorder = recorder;
    const began = Date.now();
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => this.recorded(new File(parts, "", { type: recorder.mimeType.split(";")[0] }), stream, began);
    recorder.start();
    this.thread.typing("recording");
    this.voice.setAttribute("aria-pressed", "true");
    this.voice.setAttribute("aria-label", t("media.recorded"));
    this.about.hidden = false;
    const show = () => this.about.replaceChildren(icon("voice"), h("span", `${t("chat.recording")} ${length((Date.now() - began) / 1000)}`),
      h("button.quiet", { type: "button", onclick: () => { this.dropped = true; recorder.stop(); } }, t("chat.discard")));
    show();
    this.clock = setInterval(show, 500);
  }

  recorded(file, stream, began) {
    clearInterval(this.clock);
    for (const track of stream.getTracks()) track.stop();
    this.recorder = null;
    this.voice.setAttribute("aria-pressed", "false");
    this.voice.setAttribute("aria-label", t("media.record"));
    this.about.hidden = true;
    this.thread.typing("paused");
    if (!this.dropped && !this.gone.aborted && Date.now() - began > 500) this.sendFile(file, "", this.target?.how === "reply" ? this.target : null, true);
    this.dropped = false;
  }
}

customElements.define("wa-composer", Composer);

// Files in messages: shown where a browser can, fetched from WhatsApp when they are asked for.
import { explain, get, post } from "./api.js";
import { View, busy, dialog, h, icon, toast } from "./dom.js";
import { t } from "./words.js";

const tell = (problem) => toast(explain(problem), "bad");
export const FILES = ["image", "video", "audio", "document", "sticker"];
const WIDEST = 288;

/** Bytes as people read them. */
export const amount = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / 1048576).toFixed(1)} MB`);

export const length = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}`;

/** What a file can be sent as. */
export const kindOf = ({ type }) => (["image/jpeg", "image/png", "image/webp", "image/gif"].includes(type) ? "image"
  : type === "video/mp4" ? "video" : type.startsWith("audio/") ? "audio" : "document");

class Media extends View {
  // `message` is set before: of a type that carries a file.
  open() {
    this.file = this.message[this.message.type];
    this.draw();
    if (!this.file.id) return;
    // Links are made for what is looked at, not for all that scrolls by.
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      watch.disconnect();
      this.link().catch(() => this.draw());
    });
    watch.observe(this);
    this.gone.addEventListener("abort", () => watch.disconnect());
  }

  async link() {
    const { url } = await get(`/media/${this.file.id}`, {}, { signal: this.gone });
    this.url = url;
    this.draw();
  }

  async fetch() {
    const { session, id } = this.message;
    const got = await post(`/sessions/${session}/messages/${id}/media`);
    this.file = { ...this.file, id: got.id };
    this.url = got.url;
    this.draw();
  }

  draw() {
    const { type } = this.message;
    const shown = { image: () => this.picture(), sticker: () => this.picture(), video: () => this.video(), audio: () => this.sound() }[type]?.() ?? this.document();
    const missing = !this.file.id && this.message.direction === "in";
    this.replaceChildren(shown, ...(missing ? [h("button", { type: "button", data: { act: "fetch" }, onclick: busy(() => this.fetch(), tell) }, icon("down"), t("media.fetch"), this.file.size ? ` (${amount(this.file.size)})` : "")] : []));
  }

  /** The room that a picture will take, so that nothing moves when it comes. */
  size() {
    const { width = WIDEST, height = WIDEST * 0.75 } = this.file;
    const scale = Math.min(1, WIDEST / width, 340 / height);
    return { width: Math.max(48, Math.round(width * scale)), height: Math.max(48, Math.round(height * scale)) };
  }

  preview() {
    return this.file.thumbnail ? `data:image/jpeg;base64,${this.file.thumbnail}` : null;
  }

  picture() {
    const source = this.url ?? this.preview();
    if (!source) return h("div.placeholder", icon("picture"), t(`kind.${this.message.type}`));
    const image = h("img", { src: source, alt: this.file.caption || t(`kind.${this.message.type}`), ...this.size(), class: this.url ? "" : "vague" });
    if (!this.url || this.message.type === "sticker") return image;
    return h("button.plain.picture", { type: "button", "aria-label": t("media.enlarge"), onclick: () => enlarge(this.url, image.alt) }, image);
  }

  video() {
    if (!this.url) return this.picture();
    return h("video", { src: this.url, controls: true, preload: "metadata", poster: this.preview(), ...this.size(), "aria-label": this.file.caption || t("kind.video") });
  }

  sound() {
    const label = t(this.file.voice ? "kind.voice" : "kind.audio");
    if (!this.url) return h("div.placeholder", icon("voice"), label, this.file.seconds ? ` ${length(this.file.seconds)}` : "");
    return h("audio", { src: this.url, controls: true, preload: "none", "aria-label": label });
  }

  document() {
    const name = this.file.filename ?? t("kind.document");
    const what = [icon("file"), h("span", h("bdi", name), h("small", [this.file.size && amount(this.file.size), this.file.mimetype].filter(Boolean).join(" · ")))];
    if (!this.url) return h("div.file", what);
    return h("a.file", { href: `${this.url}&download=true`, download: name, "aria-label": t("media.download", { name }) }, what);
  }
}

function enlarge(url, alt) {
  return dialog(alt, t("close"), () => h("div.large", h("img", { src: url, alt }), h("a", { href: `${url}&download=true`, download: "" }, t("media.save"))));
}

customElements.define("wa-media", Media);

/** The file of a message, as an element. */
export function media(message) {
  const shown = document.createElement("wa-media");
  shown.message = message;
  return shown;
}

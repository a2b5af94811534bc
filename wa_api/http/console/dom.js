// Building the page. Text only ever becomes text nodes: there is no way in for markup.

/** h("button.primary", { onclick }, "Save") → an element; null and false children are left out. */
export function h(what, ...rest) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  for (const part of rest.flat(3)) {
    if (part === null || part === undefined || part === false) continue;
    if (part instanceof Node) made.append(part);
    else if (typeof part === "object") assign(made, part);
    else made.append(String(part));
  }
  return made;
}

function assign(made, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name in made && typeof value !== "string") made[name] = value;
    else if (["value", "textContent"].includes(name)) made[name] = value;
    else made.setAttribute(name, value);
  }
}

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  sessions: "M7 2h10v20H7zM11 18.5h2",
  chat: "M4 4h16v12H9l-5 4z",
  events: "M3 12h4l3-8 4 16 3-8h4",
  fleet: "M3 4h18v6H3zM3 14h18v6H3zM7 7h.01M7 17h.01",
  access: "M14 10a4 4 0 1 0-4 4l1-1h2v2h2v2h3v-3z",
  tenants: "M3 21V8l9-5 9 5v13M9 21v-6h6v6",
  back: "M15 5l-7 7 7 7",
  down: "M12 5v14M6 13l6 6 6-6",
  close: "M6 6l12 12M18 6L6 18",
  send: "M4 12l16-8-6 16-3-7z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  attach: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.3 3.3 0 0 1 5 5l-8 8a1.7 1.7 0 0 1-2.5-2.5l7-7",
  voice: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11a6 6 0 0 0 12 0M12 17v4",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
  place: "M12 21s-7-6-7-11a7 7 0 0 1 14 0c0 5-7 11-7 11zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  pin: "M9 3h6l-1 6 4 4H6l4-4zM12 13v8",
  reply: "M10 6L4 12l6 6M4 12h9a7 7 0 0 1 7 7",
  edit: "M4 20l1-5L16 4l4 4L9 19z",
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0",
  plus: "M12 5v14M5 12h14",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2",
  one: "M5 12l5 5L19 7",
  two: "M2 12l5 5L16 7M11 15l2 2 9-10",
  bad: "M12 7v6M12 17h.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  webhooks: "M9 8a3 3 0 1 1 4 3l4 6M12 11l-4 6M8 17h9M6 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM18 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
};

/** A line drawing; decoration unless it has a label. */
export function icon(name, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A custom element with an end: `this.gone` aborts when it leaves the page. */
export class View extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    this.gone = this.ending.signal;
    this.open();
  }

  disconnectedCallback() {
    this.ending.abort();
    this.close?.();
  }

  /** Listen until this leaves the page. */
  on(target, type, handler) {
    target.addEventListener(type, handler, { signal: this.gone });
  }

  /** Repeat every so many milliseconds until this leaves the page. */
  every(ms, work) {
    const timer = setInterval(work, ms);
    this.gone.addEventListener("abort", () => clearInterval(timer));
  }
}

/** "Name: value" lines as an object. */
export const pairs = (text) => Object.fromEntries(text.split("\n").filter((line) => line.includes(":"))
  .map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]));

/** A labelled form field. */
export function field(label, input, hint) {
  return h("label.field", h("span", label), input, hint && h("small", hint));
}

/** A modal dialogue; resolves with what it was closed with. */
export function dialog(title, closeLabel, build) {
  return new Promise((resolve) => {
    let result;
    const box = h("dialog", { "aria-label": title });
    const done = (value) => {
      result = value;
      box.close();
    };
    box.append(
      h("header", h("h2", title),
        h("button.plain", { type: "button", "aria-label": closeLabel, onclick: () => done() }, icon("close"))),
      build(done));
    box.addEventListener("close", () => {
      box.remove();
      resolve(result);
    });
    document.body.append(box);
    box.showModal();
    box.querySelector("[autofocus]")?.focus();
  });
}

/** A short message at the edge of the screen, read out by screen readers. */
export function toast(text, kind = "info") {
  let place = document.querySelector(".toasts");
  if (!place) {
    place = h("div.toasts", { role: "status", "aria-live": "polite", popover: "manual" });
    document.body.append(place);
  }
  // Shown anew each time, so that it lies above a dialogue that was opened since.
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover?.();
  const note = h(`p.toast.${kind}`, text);
  place.append(note);
  setTimeout(() => {
    note.remove();
    if (!place.childElementCount) place.hidePopover?.();
  }, 6000);
}

/** Run what a button does, with the button out of use meanwhile and problems told. */
export function busy(work, tell) {
  return async (event) => {
    event?.preventDefault?.();
    const button = event?.submitter ?? event?.currentTarget;
    if (button?.disabled) return;
    if (button) button.disabled = true;
    try {
      await work(event);
    } catch (problem) {
      tell(problem);
    } finally {
      if (button) button.disabled = false;
    }
  };
}

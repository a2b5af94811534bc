// A small line chart: the last minutes of one or two figures.
import { h } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [300, 80];

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Points of a line over the whole width; a null (nothing known) breaks it. */
function path(values, most) {
  const step = WIDTH / Math.max(values.length - 1, 1);
  let drawn = "";
  let pen = "M";
  values.forEach((value, n) => {
    if (value === null) pen = "M";
    else {
      drawn += `${pen}${(n * step).toFixed(1)} ${(HEIGHT - (value / most) * (HEIGHT - 4) - 2).toFixed(1)}`;
      pen = "L";
    }
  });
  return drawn;
}

/** `lines` are { name, values } (oldest first), `show` writes a value with its unit. */
export function chart(title, lines, show) {
  const known = lines.flatMap((line) => line.values.filter((value) => value !== null));
  const most = Math.max(...known, 1e-9);
  const latest = lines.map((line) => `${line.name} ${show(line.values.findLast((value) => value !== null) ?? 0)}`);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${latest.join(", ")}` });
  for (const y of [2, HEIGHT / 2, HEIGHT - 2]) picture.append(svg("path", { d: `M0 ${y}H${WIDTH}`, class: "grid" }));
  lines.forEach((line, n) => picture.append(svg("path", { d: path(line.values, most), class: `line line-${n}` })));
  return h("figure.chart", h("figcaption", h("strong", title), h("small", show(known.length ? most : 0))), picture,
    h("p.legend", latest.map((text, n) => h(`span.line-${n}`, text))));
}

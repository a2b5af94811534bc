"use strict";
// Renders /openapi.json and lets every operation be tried. All text goes in as text, never as HTML.

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// `code` in descriptions, and paragraphs.
function prose(text) {
  const block = make("div");
  for (const paragraph of (text || "").split(/\n\n+/).filter(Boolean)) {
    const line = make("p");
    paragraph.split("`").forEach((part, at) => line.append(at % 2 ? make("code", {}, part) : part));
    block.append(line);
  }
  return block;
}

let api;

function resolve(schema) {
  if (schema && schema.$ref) return api.components.schemas[schema.$ref.split("/").pop()];
  return schema || {};
}

function typeName(schema) {
  if (!schema) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `${typeName(schema.items)}[]`;
  return Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
}

function limits(schema) {
  const found = [];
  const all = schema.anyOf ? Object.assign({}, ...schema.anyOf) : schema;
  if (all.minLength !== undefined) found.push(`min ${all.minLength} characters`);
  if (all.maxLength !== undefined) found.push(`max ${all.maxLength} characters`);
  if (all.minimum !== undefined) found.push(`≥ ${all.minimum}`);
  if (all.maximum !== undefined) found.push(`≤ ${all.maximum}`);
  if (schema.default !== undefined && schema.default !== null) found.push(`default ${JSON.stringify(schema.default)}`);
  return found.join(", ");
}

function example(schema, depth = 0) {
  const real = resolve(schema);
  if (real.default !== undefined && real.default !== null) return real.default;
  if (real.const !== undefined) return real.const;
  if (real.enum) return real.enum[0];
  if (real.anyOf || real.oneOf) return example((real.anyOf || real.oneOf)[0], depth);
  if (real.type === "object" && depth < 4) {
    const made = {};
    for (const name of real.required || []) made[name] = example(real.properties[name], depth + 1);
    return made;
  }
  return { array: [], integer: real.minimum ?? 0, number: real.minimum ?? 0, boolean: false, object: {} }[real.type] ?? "";
}

function fieldTable(schema) {
  const real = resolve(schema);
  const choices = real.anyOf || real.oneOf;
  if (choices) {
    const block = make("div");
    for (const choice of choices) block.append(make("p", { class: "soft" }, `One of: ${typeName(choice)}`), fieldTable(choice));
    return block;
  }
  if (!real.properties) return make("p", { class: "soft" }, typeName(schema));
  const table = make("table");
  for (const [name, field] of Object.entries(real.properties)) {
    const required = (real.required || []).includes(name);
    table.append(make("tr", {},
      make("td", {}, make("code", {}, name), required ? " *" : ""),
      make("td", { class: "soft" }, typeName(field)),
      make("td", {}, prose([field.description || "", limits(field)].filter(Boolean).join(" · ")))));
  }
  return make("div", {}, real.description ? prose(real.description) : null, table);
}

function token() { return sessionStorage.getItem("token") || ""; }

async function call(method, path, body, accept) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (accept) headers.Accept = accept;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, { method, headers, body });
}

async function show(response, took, place) {
  const kind = response.headers.get("content-type") || "";
  const head = make("p", { class: "soft" }, `${response.status} ${response.statusText} · ${took} ms · ${kind || "no body"}`);
  let content;
  if (kind.startsWith("image/")) {
    content = make("img", { alt: "The answer, a picture", src: URL.createObjectURL(await response.blob()) });
  } else {
    const text = await response.text();
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
    content = make("pre", {}, pretty);
  }
  place.replaceChildren(head, content);
}

function tryOut(method, path, operation) {
  const fields = (operation.parameters || []).map((parameter) => {
    const input = make("input", { "aria-label": parameter.name, placeholder: parameter.required ? "required" : "" });
    return { parameter, input };
  });
  const json = operation.requestBody && operation.requestBody.content["application/json"];
  const body = json ? make("textarea", { spellcheck: "false", "aria-label": "Body" }) : null;
  if (body) body.value = JSON.stringify(example(json.schema), null, 2);
  const kinds = Object.keys((operation.responses["200"] || {}).content || {});
  const accept = kinds.length > 1 ? make("select", { "aria-label": "Accept" }, ...kinds.map((kind) => make("option", {}, kind))) : null;
  const answer = make("div", { class: "answer", "aria-live": "polite" });
  const send = async () => {
    let url = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (parameter.in === "query" && input.value) query.set(parameter.name, input.value);
    }
    if ([...query].length) url += `?${query}`;
    const started = performance.now();
    answer.replaceChildren(make("p", { class: "soft" }, "…"));
    try {
      const response = await call(method.toUpperCase(), url, body ? body.value : undefined, accept ? accept.value : undefined);
      await show(response, Math.round(performance.now() - started), answer);
    } catch (error) {
      answer.replaceChildren(make("p", {}, String(error)));
    }
  };
  return make("div", {}, make("h3", {}, "Try it"),
    make("div", { class: "row" }, ...fields.filter(({ parameter }) => parameter.in !== "header").map(({ parameter, input }) => make("label", {}, parameter.name, input)), accept),
    body, make("div", { class: "row" }, make("button", { type: "button", onclick: send }, "Send")), answer);
}

function parameterTable(parameters) {
  const table = make("table");
  for (const one of parameters) {
    table.append(make("tr", {},
      make("td", {}, make("code", {}, one.name), one.required ? " *" : ""),
      make("td", { class: "soft" }, `${one.in} · ${typeName(one.schema)}`),
      make("td", {}, prose([one.description || one.schema.description || "", limits(one.schema)].filter(Boolean).join(" · ")))));
  }
  return table;
}

function inside(method, path, operation) {
  const block = make("div", { class: "inside" }, prose(operation.description));
  if ((operation.parameters || []).length) block.append(make("h3", {}, "Parameters"), parameterTable(operation.parameters));
  const json = operation.requestBody && operation.requestBody.content["application/json"];
  if (json) block.append(make("h3", {}, "Body"), fieldTable(json.schema));
  block.append(make("h3", {}, "Answers"));
  const table = make("table");
  for (const [status, response] of Object.entries(operation.responses)) {
    if (status === "default") continue;
    const kinds = Object.entries(response.content || {});
    const shape = kinds.map(([kind, about]) => kind === "application/json" ? typeName(about.schema) : kind).join(", ");
    table.append(make("tr", {}, make("td", {}, make("code", {}, status)), make("td", {}, prose(response.description)), make("td", { class: "soft" }, status < "400" ? shape : "")));
  }
  block.append(table, tryOut(method, path, operation));
  return block;
}

function operationCard(method, path, operation) {
  const card = make("details", { class: "operation", id: operation.operationId },
    make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path), make("span", { class: "soft" }, operation.summary)));
  card.addEventListener("toggle", () => {
    if (card.open && card.children.length === 1) card.append(inside(method, path, operation));
  });
  return card;
}

function render() {
  byId("version").textContent = api.info.version;
  const main = byId("operations");
  const contents = byId("contents");
  main.replaceChildren();
  for (const tag of api.tags) {
    contents.append(make("b", {}, tag.name));
    main.append(make("h2", {}, tag.name), make("p", { class: "soft" }, tag.description));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (!operation.tags.includes(tag.name)) continue;
        main.append(operationCard(method, path, operation));
        contents.append(make("a", { href: `#${operation.operationId}` }, operation.summary));
      }
    }
  }
  openTarget();
}

function openTarget() {
  const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (target) { target.open = true; target.scrollIntoView(); }
}

async function whoAmI() {
  const who = byId("who");
  if (!token()) { who.textContent = "Not signed in"; return; }
  const response = await call("GET", "/v1/auth/me");
  const me = await response.json();
  who.textContent = response.ok ? `${me.subject} · ${me.tenant || "platform"}` : me.detail;
}

async function signIn(event) {
  event.preventDefault();
  const given = byId("token").value.trim();
  byId("token").value = "";
  sessionStorage.setItem("token", given);
  const isOneTime = given && !given.startsWith("wa_") && !given.includes(".");
  if (isOneTime) {
    const response = await call("POST", "/v1/auth/token", JSON.stringify({ grant_type: "one_time", token: given }));
    const answer = await response.json();
    sessionStorage.setItem("token", response.ok ? answer.access_token : "");
    if (!response.ok) { byId("who").textContent = answer.detail; return; }
  }
  await whoAmI();
}

async function start() {
  byId("sign-in").addEventListener("submit", signIn);
  addEventListener("hashchange", openTarget);
  api = await (await fetch("/openapi.json")).json();
  render();
  await whoAmI();
}

start();

// Reads the OpenAPI document and builds one section per operation with a form to try it.
// Text from the document is only ever set as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const state = document.getElementById("state");
const list = document.getElementById("operations");

function element(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function resolve(spec, value) {
  for (let depth = 0; value && value.$ref && depth < 20; depth += 1) {
    value = value.$ref.split("/").slice(1).reduce((at, key) => at && at[decodeURIComponent(key)], spec);
  }
  return value || {};
}

// A small example of a schema, so that the body is not an empty field.
function example(spec, schema, depth = 0) {
  schema = resolve(spec, schema);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const variants = schema.oneOf || schema.anyOf;
  if (variants) return example(spec, variants.find((one) => one.type !== "null") || variants[0], depth + 1);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => example(spec, one, depth + 1)));
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (depth > 5) return null;
  if (type === "array") return [example(spec, schema.items, depth + 1)];
  if (type === "object" || schema.properties) {
    const required = schema.required || [];
    const entries = Object.entries(schema.properties || {});
    const shown = entries.filter(([name]) => required.includes(name));
    return Object.fromEntries((shown.length ? shown : entries).map(([name, one]) => [name, example(spec, one, depth + 1)]));
  }
  return { string: "", integer: 0, number: 0, boolean: false }[type] ?? null;
}

function field(label, input) {
  return element("label", {}, label, input);
}

async function send(method, path, values, body, output) {
  const query = new URLSearchParams();
  const headers = {};
  for (const { where, name, input } of values) {
    if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (where === "query") query.append(name, input.value);
    else if (where === "header") headers[name] = input.value;
  }
  const credential = document.getElementById("credential").value.trim();
  if (credential) headers.Authorization = `Bearer ${credential}`;
  if (body) headers["Content-Type"] = "application/json";
  const address = query.size ? `${path}?${query}` : path;
  output.textContent = "Waiting for the answer.";
  try {
    const options = { method: method.toUpperCase(), headers, body: body ? body.value : undefined, credentials: "omit" };
    const response = await fetch(address, options);
    const text = await response.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    const id = response.headers.get("x-request-id");
    output.textContent = `${response.status} ${response.statusText}${id ? `  (request ${id})` : ""}\n\n${shown}`;
  } catch (error) {
    output.textContent = `The call failed: ${error.message}`;
  }
}

function operationForm(spec, method, path, shared, operation) {
  const parameters = [...shared, ...(operation.parameters || [])].map((one) => resolve(spec, one));
  const values = parameters.filter((one) => one.in !== "cookie").map((one) => {
    const input = element("input", { required: Boolean(one.required), autocomplete: "off", spellcheck: false });
    return { where: one.in, name: one.name, input, note: one.description };
  });
  const content = resolve(spec, operation.requestBody).content || {};
  const schema = content["application/json"] && content["application/json"].schema;
  const body = schema ? element("textarea", { spellcheck: false }) : null;
  if (body) body.value = JSON.stringify(example(spec, schema), null, 2);
  const output = element("pre", { hidden: true, tabIndex: 0, role: "region", ariaLabel: `Answer of ${method} ${path}`, ariaLive: "polite" });
  const form = element("form", {},
    ...values.map(({ where, name, input, note }) => field(`${name} (${where})${note ? `: ${note}` : ""}`, input)),
    body ? field("Body (JSON)", body) : null,
    element("button", { type: "submit" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    output.hidden = false;
    send(method, path, values, body, output);
  });
  return [form, output];
}

function operationSection(spec, method, path, shared, operation) {
  const summary = element("summary", {},
    element("span", { className: "mono" }, `${method.toUpperCase()} ${path}`),
    element("span", { className: "note" }, operation.summary || ""));
  const section = element("details", {}, summary);
  section.dataset.words = `${method} ${path} ${operation.summary || ""} ${operation.operationId || ""}`.toLowerCase();
  // Forms are built when first opened: a long document stays quick.
  section.addEventListener("toggle", () => {
    if (section.childElementCount > 1) return;
    const answers = Object.entries(operation.responses || {}).map(([status, one]) =>
      element("li", {}, element("code", {}, status), ` ${resolve(spec, one).description || ""}`));
    section.append(element("div", { className: "operation" },
      operation.description ? element("p", {}, operation.description) : null,
      element("h3", {}, "Answers"), element("ul", {}, ...answers),
      element("h3", {}, "Try it"), ...operationForm(spec, method, path, shared, operation)));
  });
  return section;
}

function show(spec) {
  const groups = new Map();
  let count = 0;
  for (const [path, item] of Object.entries(spec.paths || {})) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationSection(spec, method, path, item.parameters || [], item[method]));
      count += 1;
    }
  }
  for (const [tag, sections] of groups) {
    list.append(element("section", {}, element("h2", {}, tag), ...sections));
  }
  state.textContent = `${spec.info.title} ${spec.info.version}: ${count} operations.`;
}

document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const section of list.children) {
    let any = false;
    for (const one of section.querySelectorAll("details")) {
      one.hidden = !words.every((word) => one.dataset.words.includes(word));
      any = any || !one.hidden;
    }
    section.hidden = !any;
  }
});

fetch("/api/openapi.json")
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`status ${response.status}`))))
  .then(show)
  .catch((error) => { state.textContent = `The document cannot be read: ${error.message}.`; });

// The form that tries one operation: what is sent, and the same as a command.
import { answerPlace, send } from "./answer.js";
import { codeBlock, element, prose } from "./dom.js";
import { exampleBody, kind } from "./schema.js";

const LONGEST_WAIT_MS = 180_000;

let fieldCount = 0;

// A labelled control with its note; the note is read out with the control.
function field(label, control, note) {
  fieldCount += 1;
  control.id = `field-${fieldCount}`;
  const words = note ? element("p", { className: "note", id: `note-${fieldCount}` }, note) : null;
  if (words) control.setAttribute("aria-describedby", words.id);
  return element("div", { className: "field" }, element("label", { htmlFor: control.id }, label), control, words);
}

function inputs(spec, parameters) {
  return parameters.filter((one) => one.in !== "cookie").map((one) => {
    const required = Boolean(one.required);
    const input = element("input", { type: "text", required, autocomplete: "off", spellcheck: false });
    const schema = one.schema || {};
    if (schema.default !== undefined) input.placeholder = String(schema.default);
    const label = [element("code", {}, one.name), ` ${one.in}${required ? ", required" : ""}`];
    const note = [prose(one.description || ""), one.description ? " " : null, `(${kind(spec, schema)})`];
    return { where: one.in, name: one.name, input, node: field(label, input, note) };
  });
}

// The request as it stands in the form. A credential is not part of it.
function request(method, path, values, body) {
  const query = new URLSearchParams();
  const headers = {};
  for (const { where, name, input } of values) {
    if (input.value === "") continue;
    if (where === "path") path = path.replace(`{${name}}`, () => encodeURIComponent(input.value));
    else if (where === "query") query.append(name, input.value);
    else if (where === "header") headers[name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  return { method: method.toUpperCase(), address: query.size ? `${path}?${query}` : path, headers, body: body?.value };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function command({ method, address, headers, body }, open) {
  const usual = method === "GET" || (method === "POST" && body);
  const lines = [`curl ${usual ? "" : `-X ${method} `}${quoted(location.origin + address)}`];
  if (!open) lines.push(`-H "Authorization: Bearer $HUB_KEY"`);
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

// Says what is wrong with the body before it is sent; true when nothing is.
function checked(body, problem) {
  let words = "";
  try { JSON.parse(body.value); } catch (error) { words = `This is not valid JSON: ${error.message}`; }
  problem.textContent = words;
  problem.hidden = words === "";
  if (words === "") body.removeAttribute("aria-invalid");
  else { body.setAttribute("aria-invalid", "true"); body.focus(); }
  return words === "";
}

export function tryIt(spec, method, path, parameters, media, open) {
  const values = inputs(spec, parameters);
  const body = media ? element("textarea", { spellcheck: false, autocomplete: "off" }) : null;
  const problem = element("p", { className: "problem", hidden: true });
  problem.setAttribute("role", "alert");
  let bodyField = null;
  if (body) {
    body.value = JSON.stringify(exampleBody(spec, path, media), null, 2);
    body.rows = Math.min(16, Math.max(4, body.value.split("\n").length + 1));
    problem.id = `problem-${fieldCount + 1}`;
    bodyField = element("div", {}, field("Body (JSON)", body), problem);
    body.setAttribute("aria-describedby", problem.id);
  }
  const submit = element("button", { type: "submit" }, "Send");
  const stop = element("button", { type: "button", className: "quiet", hidden: true }, "Stop");
  const form = element("form", { className: "try" }, values.map(({ node }) => node), bodyField,
    element("div", { className: "buttons" }, submit, stop));
  const place = answerPlace();
  const shown = codeBlock("As a command", "");
  const current = () => request(method, path, values, body);
  const update = () => shown.set(command(current(), open));
  form.addEventListener("input", update);
  update();

  let running = null;
  stop.addEventListener("click", () => { submit.focus(); running?.abort("asked"); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running || (body && !checked(body, problem))) return;
    running = new AbortController();
    const timer = setTimeout(() => running.abort("late"), LONGEST_WAIT_MS);
    stop.hidden = false;
    await send(current(), open, place, running.signal);
    clearTimeout(timer);
    stop.hidden = true;
    running = null;
  });
  return [form, place.node, shown.figure];
}

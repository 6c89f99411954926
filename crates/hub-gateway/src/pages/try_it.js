// The form that tries one operation: sends what was filled in and shows status and body, or in words what went wrong.
import { codeBlock, element, prose } from "./dom.js";
import { exampleBody, kind } from "./schema.js";

const LONGEST_WAIT_MS = 180_000;
const SHOWN_CHARACTERS = 200_000;
const WORDS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "Done, no content", 304: "Not modified", 400: "The request is not valid",
  401: "Not signed in", 402: "Not enough credits", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
  409: "Conflict", 410: "Gone", 413: "Too large", 415: "Wrong content type", 422: "Cannot be processed",
  426: "Needs another protocol", 429: "Too many requests", 500: "Error inside the hub", 502: "The provider failed",
  503: "Not available now", 504: "Took too long",
};

const credential = () => document.getElementById("credential").value.trim();
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
    const input = element("input", { type: "text", required: Boolean(one.required), autocomplete: "off", spellcheck: false });
    const schema = one.schema || {};
    if (schema.default !== undefined) input.placeholder = String(schema.default);
    const label = [element("code", {}, one.name), ` ${one.in}${one.required ? ", required" : ""}`];
    const note = [prose(one.description || ""), one.description ? " " : null, `(${kind(spec, schema)})`];
    return { where: one.in, name: one.name, input, node: field(label, input, note) };
  });
}

// The request as it stands in the form. A credential is not part of it.
function request(method, path, values, body) {
  const query = new URLSearchParams();
  const headers = {};
  for (const { where, name, input } of values) {
    if (where === "path") path = path.replace(`{${name}}`, input.value === "" ? `{${name}}` : encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (where === "query") query.append(name, input.value);
    else if (where === "header") headers[name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  return { method: method.toUpperCase(), address: query.size ? `${path}?${query}` : path, headers, body: body?.value };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function command({ method, address, headers, body }, open) {
  const lines = [`curl ${method === "GET" || (method === "POST" && body) ? "" : `-X ${method} `}${quoted(location.origin + address)}`];
  if (!open) lines.push(`-H "Authorization: Bearer $HUB_KEY"`);
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

// What went wrong and what to do about it, from an answer that is an error.
function advice(response, error) {
  const lines = [error?.message && !/[.!?]$/.test(error.message) ? `${error.message}.` : error?.message];
  for (const one of Array.isArray(error?.details) ? error.details : []) {
    if (one?.message) lines.push(`${one.field ? `${one.field} ` : ""}${one.message}.`);
  }
  if (response.status === 401) {
    lines.push(credential()
      ? "The credential was not accepted: it may be mistyped, ended or revoked."
      : "This operation needs a credential: fill in “Access token or API key” at the top of the page.");
  }
  const wait = response.headers.get("retry-after");
  if (/^\d+$/.test(wait || "")) lines.push(`Try again in ${wait} s.`);
  return lines.filter(Boolean).join(" ");
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

// Reads the body as it comes, so that a stream is seen while it lasts, and stops where no reader would look any more.
async function read(response, show) {
  const type = response.headers.get("content-type") || "";
  if (type && !/json|text|event-stream|xml|csv/.test(type)) {
    const size = response.headers.get("content-length");
    await response.body?.cancel();
    return show(`(${size ? `${size} bytes of ` : ""}${type}, not shown)`);
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    if (text.length > SHOWN_CHARACTERS) {
      await reader.cancel();
      return show(`${text.slice(0, SHOWN_CHARACTERS)}\n(the rest is not shown)`);
    }
    if (type.includes("event-stream")) show(text);
  }
  const value = parsed(text);
  show(value === undefined ? text : JSON.stringify(value, null, 2));
  return value;
}

// Where the answer is shown: a line in words, a second one with details, the body.
function answerPlace() {
  const status = element("p", { className: "status" });
  status.setAttribute("role", "status");
  const note = element("p", { className: "note" });
  const use = element("button", { type: "button", className: "quiet", hidden: true }, "Use as the credential of this page");
  const body = codeBlock("Body", "");
  body.figure.hidden = true;
  const node = element("div", { className: "answer", hidden: true }, status, note, use, body.figure);
  return {
    node,
    say(badge, words, state) {
      node.hidden = false;
      status.replaceChildren(...(badge ? [element("strong", { className: `badge ${state}` }, badge), " "] : []), words);
    },
    note(words) { note.textContent = words; },
    body(words) { body.figure.hidden = words === ""; body.set(words); },
    // A new token or key is most often wanted for the very next call.
    offer(value) {
      const secret = value?.accessToken || value?.key;
      use.hidden = typeof secret !== "string";
      use.onclick = () => {
        document.getElementById("credential").value = secret;
        use.hidden = true;
        note.textContent = "The next calls are sent with it.";
      };
    },
  };
}

async function send(call, open, place, signal) {
  const headers = { ...call.headers };
  if (credential() && !open) headers.Authorization = `Bearer ${credential()}`;
  place.say("", "Waiting for the answer.", "");
  place.note("");
  place.body("");
  place.offer();
  const begun = performance.now();
  try {
    const options = { method: call.method, headers, body: call.body, credentials: "omit", cache: "no-store", signal };
    const response = await fetch(call.address, options);
    place.say(String(response.status), WORDS[response.status] || response.statusText, response.ok ? "good" : "bad");
    const value = await read(response, place.body);
    const words = response.ok ? "" : advice(response, value?.error);
    if (words) place.say(String(response.status), words, "bad");
    const id = response.headers.get("x-request-id");
    place.note(`${Math.round(performance.now() - begun)} ms${id ? `, request ${id}` : ""}`);
    if (response.ok) place.offer(value);
  } catch (error) {
    if (signal.aborted) place.say("Stopped", signal.reason === "asked" ? "You stopped the call." : "No answer came in time.", "bad");
    else if (error instanceof TypeError) place.say("No answer", "The hub could not be reached. Is it still running, and are you online?", "bad");
    else place.say("Failed", `The answer cannot be read: ${error.message}.`, "bad");
  }
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

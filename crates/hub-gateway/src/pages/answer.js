// Sends one call and shows status and body, or in words what went wrong.
import { codeBlock, element } from "./dom.js";

const SHOWN_CHARACTERS = 200_000;
const WORDS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "Done, no content", 304: "Not modified",
  400: "The request is not valid", 401: "Not signed in", 402: "Not enough credits", 403: "Not allowed",
  404: "Not found", 405: "Method not allowed", 409: "Conflict", 410: "Gone", 413: "Too large",
  415: "Wrong content type", 422: "Cannot be processed",
  426: "Needs another protocol", 429: "Too many requests", 500: "Error inside the hub", 502: "The provider failed",
  503: "Not available now", 504: "Took too long",
};

const credential = () => document.getElementById("credential").value.trim();

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
export function answerPlace() {
  const status = element("p", { className: "status" });
  status.setAttribute("role", "status");
  const note = element("p", { className: "note" });
  const use = element("button", { type: "button", className: "quiet" }, "Use as the credential of this page");
  use.hidden = true;
  const body = codeBlock("Body", "");
  body.figure.hidden = true;
  const node = element("div", { className: "answer", hidden: true }, status, note, use, body.figure);
  return {
    node,
    say(badge, words, state) {
      node.hidden = false;
      const mark = badge ? [element("strong", { className: `badge ${state}` }, badge), " "] : [];
      status.replaceChildren(...mark, words);
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

export async function send(call, open, place, signal) {
  place.note("");
  place.body("");
  place.offer();
  let headers;
  try {
    headers = new Headers(call.headers);
    if (credential() && !open) headers.set("Authorization", `Bearer ${credential()}`);
  } catch {
    place.say("Not sent", "The credential or a header holds a character that cannot be sent, such as “…”.", "bad");
    return;
  }
  place.say("", "Waiting for the answer.", "");
  const begun = performance.now();
  try {
    const { method, body } = call;
    const options = { method, headers, body, credentials: "omit", cache: "no-store", signal };
    const response = await fetch(call.address, options);
    place.say(String(response.status), WORDS[response.status] || response.statusText, response.ok ? "good" : "bad");
    const value = await read(response, place.body);
    const words = response.ok ? "" : advice(response, value?.error);
    if (words) place.say(String(response.status), words, "bad");
    const id = response.headers.get("x-request-id");
    place.note(`${Math.round(performance.now() - begun)} ms${id ? `, request ${id}` : ""}`);
    if (response.ok) place.offer(value);
  } catch (error) {
    if (signal.aborted) {
      const words = signal.reason === "asked" ? "You stopped the call." : "The answer did not end in time.";
      place.say("Stopped", words, "bad");
    } else if (error instanceof TypeError) {
      place.say("No answer", "The hub could not be reached. Is it still running, and are you online?", "bad");
    } else {
      place.say("Failed", `The answer cannot be read: ${error.message}.`, "bad");
    }
  }
}

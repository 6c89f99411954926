// Reads the OpenAPI document and lists its operations in groups, with a filter and links to each.
import { element } from "./dom.js";
import { operationSection } from "./operation.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
// Tags that are abbreviations; others only get a capital letter.
const NAMES = { mcp: "MCP", openai: "OpenAI", oauth: "OAuth", ws: "WebSocket" };

const state = document.getElementById("state");
const list = document.getElementById("operations");
const groupLinks = document.getElementById("groups");
const filter = document.getElementById("filter");
const tools = document.getElementById("tools");
let counted = "";

const title = (tag) => NAMES[tag] || tag.charAt(0).toUpperCase() + tag.slice(1);

function show(spec) {
  const groups = new Map();
  let total = 0;
  for (const [path, item] of Object.entries(spec.paths || {})) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationSection(spec, method, path, item.parameters || [], item[method]));
      total += 1;
    }
  }
  for (const [tag, sections] of groups) {
    const id = `group-${tag.replace(/[^A-Za-z0-9]+/g, "-")}`;
    list.append(element("section", { id }, element("h2", {}, title(tag)), sections));
    const count = element("span", { className: "count" }, String(sections.length));
    groupLinks.append(element("a", { href: `#${id}` }, title(tag), " ", count));
  }
  counted = `${total} operations, version ${spec.info.version}.`;
  state.textContent = counted;
}

function apply() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const [at, section] of [...list.children].entries()) {
    let here = 0;
    for (const one of section.querySelectorAll("details.call")) {
      one.hidden = !words.every((word) => one.dataset.words.includes(word));
      here += one.hidden ? 0 : 1;
    }
    section.hidden = here === 0;
    const link = groupLinks.children[at];
    link.hidden = here === 0;
    link.querySelector(".count").textContent = String(here);
    found += here;
  }
  if (!words.length) state.textContent = counted;
  else state.textContent = found ? `${found} found.` : "Nothing matches. Try fewer words, or a part of a path.";
}

// A link to an operation opens it.
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
  target?.scrollIntoView();
}

tools.addEventListener("submit", (event) => event.preventDefault());
filter.addEventListener("input", apply);
window.addEventListener("hashchange", open);

// Without scripts the form would be of no use, so it is only shown from here.
tools.hidden = false;
state.textContent = "Loading the document.";
try {
  const response = await fetch("/api/openapi.json", { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`the hub answered ${response.status}`);
  show(await response.json());
  apply();
  if (location.hash) open();
} catch (error) {
  const reason = error instanceof TypeError ? "the hub does not answer" : error.message;
  state.textContent = `The document cannot be read: ${reason}. Load the page again.`;
  state.className = "problem";
}

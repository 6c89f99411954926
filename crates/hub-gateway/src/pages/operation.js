// One operation as a section that opens: what it does, what it takes, what it answers, and the form to try it.
import { element, prose } from "./dom.js";
import { fields, resolve } from "./schema.js";
import { tryIt } from "./try_it.js";

// The name that a link to the operation carries, such as `get-v1-models-id`.
export const anchor = (method, path) => `${method}${path}`.replace(/[^A-Za-z0-9]+/g, "-").replace(/-$/, "");

// The first sentence stands in the list, the rest inside.
function sentences(text) {
  const end = text.search(/\.\s+[A-Z`]/);
  return end < 0 ? [text, ""] : [text.slice(0, end + 1), text.slice(end + 1).trim()];
}

// Who may call it. In the document `[]` means that nobody is asked, an empty object that a credential is optional.
function access(spec, operation) {
  const ways = operation.security || spec.security || [];
  if (ways.length === 0 || ways.every((one) => Object.keys(one).length === 0)) return "open";
  return ways.some((one) => Object.keys(one).length === 0) ? "optional" : "needed";
}

const ACCESS = {
  open: "Needs no credential.",
  optional: "Works with or without a credential.",
  needed: "Needs a credential.",
};

function fieldTable(spec, schema, label, required) {
  const rows = fields(spec, schema);
  if (!rows.length) return null;
  const list = element("dl", { className: "fields" }, rows.map((row) => element("div", {},
    element("dt", {}, element("code", {}, row.name)),
    element("dd", {},
      element("span", { className: "kind" }, `${row.kind}${row.required ? `, ${required}` : ""}`),
      row.description ? element("p", {}, prose(row.description)) : null))));
  return element("details", { className: "inner" }, element("summary", {}, `${label} (${rows.length})`), list);
}

function answers(spec, operation) {
  return Object.entries(operation.responses || {}).map(([status, one]) => {
    const answer = resolve(spec, one);
    const types = Object.keys(answer.content || {});
    const words = [answer.description, types.join(", ")].filter(Boolean).join(" ");
    const schema = answer.content?.["application/json"]?.schema;
    const badge = element("strong", { className: `badge ${status < 400 ? "good" : "bad"}` }, status);
    return element("li", {}, badge, ` ${words}`,
      schema ? fieldTable(spec, schema, "Fields of the answer", "always there") : null);
  });
}

function content(spec, method, path, shared, operation, rest) {
  const parameters = [...shared, ...(operation.parameters || [])].map((one) => resolve(spec, one));
  const media = resolve(spec, operation.requestBody).content?.["application/json"];
  const who = access(spec, operation);
  const socket = Boolean(operation.responses?.["101"]);
  const form = socket
    ? [element("p", {}, "A WebSocket cannot be tried from this page.")]
    : tryIt(spec, method, path, parameters, media, who === "open");
  return element("div", { className: "operation" },
    rest ? element("p", {}, prose(rest)) : null,
    operation.description ? element("p", {}, prose(operation.description)) : null,
    element("p", { className: "note" }, ACCESS[who]),
    media ? fieldTable(spec, media.schema, "Fields of the body", "required") : null,
    element("h4", {}, "Answers"), element("ul", { className: "answers" }, answers(spec, operation)),
    element("h4", {}, "Try it"), form);
}

export function operationSection(spec, method, path, shared, operation) {
  const [first, rest] = sentences(operation.summary || "");
  const summary = element("summary", {},
    element("h3", {}, element("span", { className: `method ${method}` }, method.toUpperCase()), " ",
      element("span", { className: "path" }, path)),
    element("span", { className: "note" }, prose(first)));
  const section = element("details", { id: anchor(method, path), className: "call" }, summary);
  section.dataset.words = `${method} ${path} ${operation.summary || ""} ${operation.operationId || ""}`.toLowerCase();
  // Forms are built when first opened: a long document stays quick.
  section.addEventListener("toggle", () => {
    if (section.open && section.childElementCount === 1) {
      section.append(content(spec, method, path, shared, operation, rest));
    }
    if (section.open) history.replaceState(null, "", `#${section.id}`);
  });
  return section;
}

// Reads schemas of the OpenAPI document: what a field is in words, and a small example of a body.

const DEEPEST = 4;

export function resolve(spec, value) {
  for (let depth = 0; value && value.$ref && depth < 20; depth += 1) {
    const { $ref, ...beside } = value;
    const target = $ref.split("/").slice(1).reduce((at, key) => at && at[decodeURIComponent(key)], spec);
    value = { ...target, ...beside };
  }
  return value || {};
}

// One object of a schema that is put together: the parts of `allOf`, or the first choice that is not null.
function whole(spec, schema) {
  schema = resolve(spec, schema);
  const choices = schema.oneOf || schema.anyOf;
  const parts = schema.allOf || (choices && [choices.find((one) => one.type !== "null") || choices[0]]);
  if (!parts) return schema;
  const read = parts.map((one) => whole(spec, one));
  const { allOf, oneOf, anyOf, ...own } = schema;
  return {
    ...Object.assign({}, ...read),
    ...own,
    properties: Object.assign({}, ...read.map((one) => one.properties), own.properties),
    required: [...read, own].flatMap((one) => one.required || []),
  };
}

function typeOf(schema) {
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  return type || (Object.keys(schema.properties || {}).length ? "object" : undefined);
}

// The kind of a value in words, such as `list of string` or `"chat" or "completion"`.
export function kind(spec, schema, depth = 0) {
  const read = whole(spec, schema);
  const type = typeOf(read);
  if (read.enum) return read.enum.filter((one) => one !== null).map((one) => JSON.stringify(one)).join(" or ");
  if (type === "array") return depth < DEEPEST ? `list of ${kind(spec, read.items, depth + 1)}` : "list";
  const bounds = [
    read.format && !/^u?int|^float|^double/.test(read.format) ? read.format : null,
    read.minimum !== undefined ? `from ${read.minimum}` : null,
    read.maximum !== undefined ? `up to ${read.maximum}` : null,
    read.maxLength !== undefined ? `up to ${read.maxLength} characters` : null,
  ].filter(Boolean);
  return [type || "any value", ...bounds].join(", ");
}

// The fields of a body, required ones first, those inside others with a dotted name.
export function fields(spec, schema, prefix = "", depth = 0) {
  let read = whole(spec, schema);
  if (typeOf(read) === "array") {
    read = whole(spec, read.items);
    prefix = `${prefix.replace(/\.$/, "")}[].`;
  }
  if (depth >= DEEPEST) return [];
  const required = (name) => (read.required || []).includes(name);
  const entries = Object.entries(read.properties || {}).sort(([one], [other]) => required(other) - required(one));
  return entries.flatMap(([name, one]) => {
    const inner = whole(spec, one);
    const row = {
      name: `${prefix}${name}`,
      kind: kind(spec, one),
      required: required(name),
      description: inner.description || "",
    };
    return [row, ...fields(spec, one, `${prefix}${name}.`, depth + 1)];
  });
}

// Values that a reader can send as they are; others start empty.
const BY_NAME = { model: "sandbox" };
const BY_FORMAT = {
  email: "you@example.com",
  uuid: "00000000-0000-0000-0000-000000000000",
  "date-time": "2030-01-01T00:00:00Z",
};

// A small example of a schema, so that the body is not an empty field: what is required, or else everything.
export function example(spec, schema, name = "", depth = 0) {
  const read = whole(spec, schema);
  if (read.example !== undefined) return read.example;
  if (read.examples?.length) return read.examples[0];
  if (read.default !== undefined) return read.default;
  if (read.enum) return read.enum[0];
  const type = typeOf(read);
  if (depth > DEEPEST) return null;
  if (type === "array") return [example(spec, read.items, name, depth + 1)];
  if (type === "object") {
    const entries = Object.entries(read.properties || {});
    const shown = entries.filter(([one]) => (read.required || []).includes(one));
    const chosen = shown.length ? shown : entries;
    return Object.fromEntries(chosen.map(([key, one]) => [key, example(spec, one, key, depth + 1)]));
  }
  if (type === "string") return BY_NAME[name] ?? BY_FORMAT[read.format] ?? "";
  return { integer: read.minimum ?? 0, number: read.minimum ?? 0, boolean: false }[type] ?? null;
}

// Bodies in another company's form, which the document names but does not describe.
const FOREIGN = {
  "/v1/chat/completions": { model: "sandbox", messages: [{ role: "user", content: "Hello" }] },
  "/v1/completions": { model: "sandbox", prompt: "Hello" },
  "/v1/embeddings": { model: "sandbox-embedding", input: "Hello" },
  "/v1/messages": { model: "sandbox", max_tokens: 200, messages: [{ role: "user", content: "Hello" }] },
  "/v1/messages/count_tokens": { model: "sandbox", messages: [{ role: "user", content: "Hello" }] },
  "/v1/responses": { model: "sandbox", input: "Hello" },
};

export function exampleBody(spec, path, media) {
  if (media.example !== undefined) return media.example;
  const made = example(spec, media.schema);
  return made && typeof made === "object" && !Object.keys(made).length ? FOREIGN[path] ?? made : made;
}

// Both official SDKs for Node against all wires of a strict provider: what scripted servers accept or cannot do.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";

import Anthropic, * as anthropic from "@anthropic-ai/sdk";
import OpenAI, * as openai from "openai";

import { Checks } from "../lib/node/checks.mjs";
import { embedded, shared } from "../lib/node/hub.mjs";
import { Member, micro } from "../lib/node/member.mjs";
import { strict } from "../lib/node/strict.mjs";

const GPT = "gpt-4o-mini";
const CLAUDE = "claude-sonnet-5-5";
// What the provider says, and what it says that costs.
const WORDS = ["One ", "two ", "three ", "four ", "five."];
const SAID = WORDS.join("");
const PROMPT = 40;
const CALLS = [["call_oslo", { city: "Oslo" }], ["call_rome", { city: "Rome" }]];
// The hub waits so long for a provider's first byte; the provider stalls longer.
const FIRST_BYTE_SECONDS = 2;
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const SCHEMA = { type: "object", properties: { answer: { type: "integer" } }, required: ["answer"], additionalProperties: false };

const receiptOf = (response) => response.headers.get("x-hub-receipt");
const user = (content) => [{ role: "user", content }];

/** What the four ways of asking have in common: a whole answer, a stream, and the forms of their wire. */
class Way {
  /** How the SDK is told that a provider is overloaded. */
  static overloaded = 503;

  constructor(hub, key, timeout = 30_000) {
    this.client = this.make({ apiKey: key, maxRetries: 0, timeout }, hub);
  }

  make(options, hub) {
    return new OpenAI({ baseURL: `${hub.url}/v1`, ...options });
  }

  /** The text and the receipt of a whole answer. */
  async ask(model, content, more = {}) {
    const { data, response } = await this.create(model, content, more).withResponse();
    return { text: this.text(data), receipt: receiptOf(response), response };
  }

  /** The text read, and the receipt; an error in the stream is in `error`. */
  async stream(model, content, { leaveAfter } = {}) {
    const { data, response } = await this.create(model, content, { stream: true }).withResponse();
    const read = { text: "", receipt: receiptOf(response) };
    try {
      for await (const event of data) {
        read.text += this.piece(event) ?? "";
        // Leaving the loop aborts the request.
        if (leaveAfter && read.text.length >= leaveAfter) break;
      }
    } catch (error) {
      read.error = error;
    }
    return read;
  }
}

class Chat extends Way {
  static title = "OpenAI SDK";
  static errors = openai;
  static wire = "chat";

  create = (model, content, more) => this.client.chat.completions.create({ model, messages: user(content), ...more });
  text = (answer) => answer.choices[0].message.content;
  piece = (chunk) => chunk.choices[0]?.delta.content;
  static picture = [{ type: "text", text: "what is this?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } }];
  static structured = { response_format: { type: "json_schema", json_schema: { name: "answer", schema: SCHEMA, strict: true } } };
}

class Responses extends Way {
  static title = "OpenAI SDK's responses";
  static errors = openai;
  static wire = "responses";

  create = (model, content, more) =>
    this.client.responses.create({ model, input: typeof content === "string" ? content : user(content), ...more });
  text = (answer) => answer.output_text;
  piece = (event) => {
    // The provider's own word that it failed; the SDK hands it on.
    if (event.type === "response.failed") throw new openai.APIError(undefined, event.response.error, undefined, undefined);
    return event.type === "response.output_text.delta" ? event.delta : undefined;
  };
  static picture = [
    { type: "input_text", text: "what is this?" },
    { type: "input_image", image_url: `data:image/png;base64,${PIXEL}`, detail: "auto" },
  ];
  static structured = { text: { format: { type: "json_schema", name: "answer", schema: SCHEMA, strict: true } } };
}

class Completions extends Way {
  static title = "OpenAI SDK's completions";
  static errors = openai;
  static wire = "completions";

  create = (model, content, more) => this.client.completions.create({ model, prompt: content, max_tokens: 100, ...more });
  text = (answer) => answer.choices[0].text;
  piece = (chunk) => chunk.choices[0]?.text;
}

class Messages extends Way {
  static title = "Anthropic SDK";
  static errors = anthropic;
  static overloaded = 529;
  static wire = "chat";

  make(options, hub) {
    return new Anthropic({ baseURL: hub.url, ...options });
  }

  create = (model, content, more) => this.client.messages.create({ model, max_tokens: 100, messages: user(content), ...more });
  text = (answer) => answer.content[0].text;
  piece = (event) => (event.type === "content_block_delta" ? event.delta.text : undefined);
  static picture = [
    { type: "text", text: "what is this?" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } },
  ];
  static structured = { output_config: { format: { type: "json_schema", schema: SCHEMA } } };
}

/** What a picture and a schema look like at the provider. */
const FORMS = {
  chat: (body) => [body.messages?.at(-1).content[1]?.image_url?.url, body.response_format?.json_schema.schema],
  responses: (body) => [body.input.at(-1).content?.[1]?.image_url, body.text?.format.schema],
  messages: (body) => {
    const source = body.messages.at(-1).content[1]?.source;
    return [source && `data:${source.media_type};base64,${source.data}`, body.output_config?.format.schema];
  },
};

/** The checks on one pair. */
class Suite {
  constructor(checks, pair, hub, provider) {
    Object.assign(this, { checks, pair, hub, provider });
  }

  case(name, body) {
    return this.checks.case(`${this.pair}: ${name}`, body);
  }

  async run() {
    this.member = await Member.make(this.hub, 100);
    for (const way of [Chat, Messages, Responses, Completions]) {
      for (const [model, wire] of [[GPT, way.wire], [CLAUDE, "messages"]]) {
        await this.direction(way, new way(this.hub, this.member.key), model, wire);
      }
    }
    await this.responses();
    await this.completions();
    await this.case("the ledger is clean", async () => {
      await this.member.settled(this.hub);
      const report = await this.hub.run("ledger", "verify");
      assert.deepEqual([report.clean, report.openHolds], [true, 0]);
    });
  }

  async heard() {
    return (await this.provider.heard()).at(-1);
  }

  async paid(receipt, completion = WORDS.length) {
    await this.member.settled(this.hub);
    const { usage, usageSource, outcome } = await this.member.receipt(this.hub, receipt);
    assert.deepEqual([usage.input, usage.output, usageSource, outcome], [PROMPT, completion, "provider", "completed"]);
  }

  /** One SDK to one wire of the provider. */
  async direction(way, client, model, wire) {
    const where = `${way.title} to ${model}`;
    const { APIError, APIConnectionTimeoutError } = way.errors;

    await this.case(`${where}: whole and streamed answers cost the provider's numbers, however often it tells them`, async () => {
      const whole = await client.ask(model, "hello");
      assert.equal(whole.text, SAID, "whole");
      await this.paid(whole.receipt);
      const streamed = await client.stream(model, "hello");
      assert.deepEqual([streamed.text, streamed.error], [SAID, undefined], "streamed");
      await this.paid(streamed.receipt);
      assert.equal((await this.heard()).wire, wire, "wire at the provider");
    });

    if (way.picture) {
      await this.case(`${where}: pictures and structured output arrive in the provider's own form`, async () => {
        await client.ask(model, way.picture);
        const [picture] = FORMS[wire]((await this.heard()).body);
        assert.equal(picture, `data:image/png;base64,${PIXEL}`, "picture");
        const { text } = await client.ask(model, "answer as JSON", way.structured);
        assert.deepEqual(JSON.parse(text), { answer: 42 });
        const [, schema] = FORMS[wire]((await this.heard()).body);
        assert.deepEqual(schema, SCHEMA, "schema at the provider");
      });
    }

    await this.case(`${where}: a provider that is overloaded, limited or silent is an error of the SDK, and free`, async () => {
      const { balance: before } = await this.member.balance(this.hub);
      for (const [content, status] of [["overloaded", way.overloaded], ["too fast", 429]]) {
        for (const call of [() => client.ask(model, content), () => client.stream(model, content)]) {
          const error = await thrown(APIError, call());
          assert.equal(error.status, status, `status of ${content}`);
          assert.ok(!JSON.stringify(error.error).includes("inner words"), "a provider's inner words");
        }
      }
      const begun = Date.now();
      const stalled = await thrown(APIError, client.stream(model, "stall"));
      assert.equal(stalled.status, 502, "status of a stall");
      assert.ok(Date.now() - begun >= FIRST_BYTE_SECONDS * 900, "the hub did not wait");
      assert.equal(await this.member.settled(this.hub), before, "balance");
    });

    await this.case(`${where}: an error in the middle of a stream is thrown, and what had come is paid for`, async () => {
      const { text, error, receipt } = await client.stream(model, "break off");
      assert.ok(error instanceof APIError, `${error}`);
      assert.equal(text, WORDS.slice(0, 3).join(""), "what came before");
      assert.ok(String(error.message).includes("inner words"), `not the provider's words: ${error.message}`);
      await this.member.settled(this.hub);
      const { outcome, usage } = await this.member.receipt(this.hub, receipt);
      assert.equal(outcome, "failed");
      assert.ok(usage.output >= 1 && usage.output <= 4, `${usage.output} tokens`);
    });

    await this.case(`${where}: a stream that is aborted is read to its end and paid for, because the provider bills it`, async () => {
      const { text, receipt } = await client.stream(model, "slowly", { leaveAfter: 5 });
      assert.ok(SAID.startsWith(text) && text.length < SAID.length, `read ${text}`);
      await this.paid(receipt);
    });

    await this.case(`${where}: who has no patience gets the SDK's own error, and pays for the answer once`, async () => {
      const { balance: before } = await this.member.balance(this.hub);
      await thrown(APIConnectionTimeoutError, new way(this.hub, this.member.key, 500).ask(model, "patience"));
      const after = await this.member.settled(this.hub);
      const [row] = await this.member.usage(this.hub);
      assert.equal(before - after, -micro(row.amount), "what left the balance");
      await this.paid(row.receiptId);
    });
  }

  /** What only responses have, at a provider that speaks them. */
  async responses() {
    const { client } = new Responses(this.hub, this.member.key);
    const tools = [{ type: "function", name: "get_weather", strict: null, parameters: { type: "object", properties: { city: { type: "string" } } } }];
    const question = { role: "user", content: "weather in both cities" };

    await this.case("responses: parallel calls in turns come, whole and streamed, and go back with their results", async () => {
      const ask = { model: GPT, input: [question], tools, include: ["reasoning.encrypted_content"] };
      const { data: whole, response } = await client.responses.create(ask).withResponse();
      await this.paid(receiptOf(response));
      const streamed = await client.responses.stream(ask).finalResponse();
      for (const { output } of [whole, streamed]) {
        assert.deepEqual([output[0].type, output[0].encrypted_content], ["reasoning", "gAAA"]);
        assert.deepEqual(output.slice(1).map((item) => [item.call_id, JSON.parse(item.arguments)]), CALLS);
      }
      const results = CALLS.map(([call]) => ({ type: "function_call_output", call_id: call, output: "sun" }));
      const input = [question, ...whole.output, ...results];
      const done = await client.responses.create({ model: GPT, input, tools });
      assert.equal(done.output_text, SAID);
      assert.deepEqual((await this.heard()).body.input, JSON.parse(JSON.stringify(input)), "what went back");
    });

    await this.case("responses: what is kept at the provider is refused, and what goes there is not kept", async () => {
      const heard = (await this.provider.heard()).length;
      for (const more of [{ previous_response_id: "resp_1" }, { store: true }, { background: true }]) {
        const error = await thrown(openai.BadRequestError, client.responses.create({ model: GPT, input: "hello", ...more }));
        assert.equal(error.param, Object.keys(more)[0]);
      }
      await thrown(openai.NotFoundError, client.responses.retrieve("resp_1"));
      assert.equal((await this.provider.heard()).length, heard, "requests at the provider");
      await client.responses.create({ model: GPT, input: "hello", x_future_field: { kept: [1, null, "ü"] } });
      const { body } = await this.heard();
      assert.deepEqual([body.store, body.x_future_field], [false, { kept: [1, null, "ü"] }]);
    });

    await this.case("responses: a stream that fails before it has begun is an error with a status, and free", async () => {
      const { balance: before } = await this.member.balance(this.hub);
      await thrown(openai.InternalServerError, client.responses.create({ model: GPT, input: "break at once", stream: true }));
      assert.equal(await this.member.settled(this.hub), before, "balance");
    });
  }

  /** What only the old completions have, at a provider that speaks them. */
  async completions() {
    const { client } = new Completions(this.hub, this.member.key);
    await this.case("completions: token numbers, echo, logprobs and several prompts pass, and every answer is paid", async () => {
      const ask = { model: GPT, prompt: [[1, 2], [3]], n: 2, echo: true, logprobs: 1, max_tokens: 20, suffix: "!" };
      const { data, response } = await client.completions.create(ask).withResponse();
      assert.deepEqual(data.choices.map((choice) => choice.text), ["[1, 2]", "[1, 2]", "[3]", "[3]"].map((prompt) => prompt + SAID));
      assert.deepEqual(data.choices[0].logprobs.tokens, WORDS);
      const { body } = await this.heard();
      assert.deepEqual(body, ask, "what went there");
      await this.paid(receiptOf(response), 4 * WORDS.length);
    });
  }
}

/** The error of this kind that the call throws. */
async function thrown(kind, call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof kind, `${error?.constructor?.name} instead of ${kind.name}: ${error}`);
    return error;
  }
  return assert.fail(`no ${kind.name} was thrown`);
}

const checks = new Checks();
const entries = ["openai", "anthropic"].map(
  (name) => `[[providers]]\nname = "${name}"\nkind = "${name}"\nfirst_byte_seconds = ${FIRST_BYTE_SECONDS}\n`,
);
// Without it OpenAI's newer models, as the one here, are reached by chat.
entries[0] += 'wires = ["chat", "responses", "completions"]\n';
// One provider's failures, one by one: retries and breakers have tests of their own.
const impatient = `${entries.join("")}[routing]\ntries = 1\nrate_limit_pause_ms = 0\n[routing.breaker]\ncalls = 10000\n`;
// Most of the time is waited for: the pairs run side by side, each with a provider of its own.
const runs = [embedded, shared].map((pair) =>
  strict(async (provider) => {
    const keys = {
      OPENAI_API_KEY: "any",
      OPENAI_BASE_URL: `${provider.url}/v1`,
      ANTHROPIC_API_KEY: "any",
      ANTHROPIC_BASE_URL: provider.url,
    };
    await checks.case(`${pair.name}: the suite runs to its end`, () =>
      pair(keys, async (name, hub) => {
        await mkdir(hub.data, { recursive: true });
        await writeFile(path.join(hub.data, "hub.toml"), impatient);
        await hub.start();
        await new Suite(checks, name, hub, provider).run();
        assert.equal(await hub.stop(), 0, "exit code");
      }),
    );
  }),
);
await Promise.all(runs);
checks.finish();

// The official OpenAI SDK for Node, pointed at a hub whose provider is an independent scripted server.

import assert from "node:assert/strict";

import OpenAI, { APIError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError } from "openai";

import { Checks } from "../lib/node/checks.mjs";
import { embedded, shared } from "../lib/node/hub.mjs";
import { Member, micro } from "../lib/node/member.mjs";
import { upstream } from "../lib/node/upstream.mjs";

const QUESTION = [{ role: "user", content: "plain question" }];
const TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather of a city",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

/** The checks on one pair. */
class Suite {
  charges = 0;

  constructor(checks, pair, hub, provider) {
    Object.assign(this, { checks, pair, hub, provider });
  }

  clientFor(key) {
    return new OpenAI({ baseURL: `${this.hub.url}/v1`, apiKey: key, maxRetries: 0, timeout: 30_000 });
  }

  case(name, body) {
    return this.checks.case(`${this.pair}: ${name}`, body);
  }

  /** A call that `body` reads; afterwards exactly its receipt must have left the balance. */
  async billed(usage, request, body) {
    const { balance: before } = await this.member.balance(this.hub);
    const call = this.client.chat.completions.create({ model: this.provider.model, ...request });
    const { data, response } = await call.withResponse();
    const result = await body(data, response);
    const after = await this.member.settled(this.hub);
    const receipt = await this.member.receipt(this.hub, response.headers.get("x-hub-receipt"));
    assert.deepEqual([receipt.usage.input, receipt.usage.output], [usage.prompt_tokens, usage.completion_tokens], "tokens");
    assert.deepEqual([receipt.model, receipt.service, receipt.outcome], [this.provider.model, "openai", "completed"]);
    assert.equal(before - after, micro(receipt.amount), "what left the balance");
    assert.ok(before > after, "the call cost nothing");
    const row = (await this.member.usage(this.hub)).find((one) => one.receiptId === receipt.id);
    assert.deepEqual([row?.id, -micro(row?.amount ?? 0)], [receipt.transactionId, micro(receipt.amount)], "the ledger's row");
    this.charges += 1;
    return result;
  }

  async run() {
    this.member = await Member.make(this.hub, 10);
    this.client = this.clientFor(this.member.key);
    await this.models();
    await this.answers();
    await this.tools();
    await this.responses();
    await this.refusals();
    await this.hangUp();
    await this.case("the ledger is clean and holds only these charges", async () => {
      const report = await this.hub.run("ledger", "verify");
      assert.deepEqual([report.clean, report.openHolds], [true, 0]);
      assert.equal((await this.member.usage(this.hub)).length, this.charges);
    });
  }

  async models() {
    await this.case("the list of models names the provider's", async () => {
      const models = new Map();
      for await (const model of this.client.models.list()) models.set(model.id, model.owned_by);
      assert.equal(models.get(this.provider.model), "openai");
      assert.equal((await this.client.models.retrieve(this.provider.model)).id, this.provider.model);
    });
  }

  async answers() {
    const [said] = this.provider.scripted("plain question");

    await this.case("a whole answer is the upstream's and costs what its receipt says", async () => {
      const request = { messages: QUESTION, x_future_field: { kept: [1, null, "ü"] } };
      const answer = await this.billed(said.usage, request, (data) => data);
      assert.equal(answer.choices[0].message.content, said.content);
      assert.deepEqual(answer.usage, said.usage);
      const heard = (await this.provider.heard()).at(-1);
      assert.deepEqual([heard.messages, heard.x_future_field], [QUESTION, { kept: [1, null, "ü"] }]);
    });

    await this.case("a stream is the upstream's, without a usage chunk nobody asked for", async () => {
      const chunks = await this.billed(said.usage, { messages: QUESTION, stream: true }, collect);
      assert.equal(text(chunks), said.content);
      assert.ok(chunks.length > 5, "the answer did not come in pieces");
      assert.ok(chunks.every((chunk) => chunk.choices.length === 1 && !chunk.usage), "a chunk with usage came");
    });

    await this.case("a stream with include_usage ends with the upstream's usage", async () => {
      const request = { messages: QUESTION, stream: true, stream_options: { include_usage: true } };
      const chunks = await this.billed(said.usage, request, collect);
      assert.equal(text(chunks), said.content);
      assert.deepEqual([chunks.at(-1).choices, chunks.at(-1).usage], [[], said.usage]);
    });

    await this.case("the SDK's streaming helper puts the answer together", async () => {
      const stream = this.client.chat.completions.stream({ model: this.provider.model, messages: QUESTION });
      assert.equal(await stream.finalContent(), said.content);
      await this.member.settled(this.hub);
      this.charges += 1;
    });

    await this.case("a conversation with a system message arrives whole", async () => {
      const messages = [
        { role: "system", content: "You are a ship's clock." },
        { role: "user", content: "What time is it?" },
        { role: "assistant", content: "Three bells." },
        { role: "user", content: [{ type: "text", text: "and now?" }] },
      ];
      const [wanted] = this.provider.scripted("and now?");
      const answer = await this.billed(wanted.usage, { messages, temperature: 0.25 }, (data) => data);
      assert.equal(answer.choices[0].message.content, wanted.content);
      const heard = (await this.provider.heard()).at(-1);
      assert.deepEqual([heard.messages, heard.temperature], [messages, 0.25]);
    });
  }

  async tools() {
    const question = { role: "user", content: "weather in both cities, please" };
    const [result, call] = this.provider.scripted("weather in both");
    const wanted = call.toolCalls.map((one) => [one.id, one.name, JSON.stringify(one.arguments)]);

    await this.case("parallel tool calls pass through, and their results go back", async () => {
      const request = { messages: [question], tools: TOOLS, tool_choice: "auto", parallel_tool_calls: true };
      const [choice] = (await this.billed(call.usage, request, (data) => data)).choices;
      const calls = choice.message.tool_calls;
      assert.deepEqual(calls.map((one) => [one.id, one.function.name, one.function.arguments]), wanted);
      assert.equal(choice.finish_reason, "tool_calls");
      const heard = (await this.provider.heard()).at(-1);
      assert.deepEqual([heard.tools, heard.tool_choice, heard.parallel_tool_calls], [TOOLS, "auto", true]);
      const results = calls.map((one) => ({ role: "tool", tool_call_id: one.id, content: "sun" }));
      const messages = [question, choice.message, ...results];
      const answer = await this.billed(result.usage, { messages, tools: TOOLS }, (data) => data);
      assert.equal(answer.choices[0].message.content, result.content);
    });

    await this.case("streamed parallel tool calls keep their order and pieces", async () => {
      const chunks = await this.billed(call.usage, { messages: [question], tools: TOOLS, stream: true }, collect);
      const calls = [];
      for (const piece of chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? [])) {
        const known = (calls[piece.index] ??= ["", "", ""]);
        known[0] += piece.id ?? "";
        known[1] += piece.function?.name ?? "";
        known[2] += piece.function?.arguments ?? "";
      }
      assert.deepEqual(calls, wanted);
    });
  }

  /** Responses, which the upstream speaks itself. */
  async responses() {
    const [said] = this.provider.scripted("plain question");
    const [result, call] = this.provider.scripted("weather in both");
    const create = async (usage, request, read = (data) => data) => {
      const { balance: before } = await this.member.balance(this.hub);
      const { data, response } = await this.client.responses.create({ model: this.provider.model, ...request }).withResponse();
      const answer = await read(data);
      const after = await this.member.settled(this.hub);
      const receipt = await this.member.receipt(this.hub, response.headers.get("x-hub-receipt"));
      assert.deepEqual([receipt.usage.input, receipt.usage.output], [usage.prompt_tokens, usage.completion_tokens], "tokens");
      assert.equal(before - after, micro(receipt.amount), "what left the balance");
      this.charges += 1;
      return answer;
    };

    await this.case("responses are the upstream's, whole and streamed", async () => {
      const answer = await create(said.usage, { input: "plain question" });
      assert.deepEqual([answer.output_text, answer.status], [said.content, "completed"]);
      const events = await create(said.usage, { input: "plain question", stream: true }, collect);
      const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
      assert.deepEqual([pieces.join(""), events.at(-1).type], [said.content, "response.completed"]);
      assert.ok(pieces.length > 5, "the answer did not come in pieces");
    });

    await this.case("parallel tool calls of responses pass through, and their results go back", async () => {
      const question = { role: "user", content: "weather in both cities, please" };
      const tools = TOOLS.map((tool) => ({ type: "function", strict: null, ...tool.function }));
      const want = call.toolCalls.map((tool) => [tool.id, tool.name, tool.arguments]);
      const told = (output) =>
        output.filter((item) => item.type === "function_call").map((item) => [item.call_id, item.name, JSON.parse(item.arguments)]);
      const events = await create(call.usage, { input: [question], tools, stream: true }, collect);
      assert.deepEqual(told(events.at(-1).response.output), want, "streamed");
      const { output } = await create(call.usage, { input: [question], tools });
      assert.deepEqual(told(output), want, "whole");
      const results = want.map(([id]) => ({ type: "function_call_output", call_id: id, output: "sun" }));
      const answer = await create(result.usage, { input: [question, ...output, ...results], tools });
      assert.equal(answer.output_text, result.content);
    });

    await this.case("refused and failed responses throw the SDK's own errors and cost nothing", async () => {
      const { balance: before } = await this.member.balance(this.hub);
      const ask = (input) => this.client.responses.create({ model: this.provider.model, input });
      const disliked = await thrown(BadRequestError, ask("refuse me"));
      assert.match(disliked.message, /the upstream does not like this/);
      await thrown(InternalServerError, ask("break down"));
      assert.equal(await this.member.settled(this.hub), before, "balance");
    });
  }

  async refusals() {
    const create = (client, content, changes = {}) =>
      client.chat.completions.create({ model: this.provider.model, messages: [{ role: "user", content }], ...changes });

    await this.case("refused and failed calls throw the SDK's own errors and cost nothing", async () => {
      const { balance: before } = await this.member.balance(this.hub);
      const unknown = await thrown(NotFoundError, create(this.client, "plain question", { model: "no-such-model" }));
      assert.deepEqual([unknown.status, unknown.code, unknown.param], [404, "MODEL_NOT_FOUND", "model"]);
      await thrown(NotFoundError, this.client.models.retrieve("no-such-model"));
      const bad = await thrown(AuthenticationError, create(this.clientFor("sk_not-a-key"), "plain question"));
      assert.deepEqual([bad.status, bad.code], [401, "AUTHENTICATION_ERROR"]);
      const wrong = await thrown(BadRequestError, create(this.client, "", { messages: [] }));
      assert.deepEqual([wrong.status, wrong.code, wrong.param], [400, "VALIDATION_ERROR", "messages"]);
      const disliked = await thrown(BadRequestError, create(this.client, "refuse me"));
      assert.match(disliked.message, /the upstream does not like this/);
      for (const stream of [false, true]) {
        const down = await thrown(InternalServerError, create(this.client, "break down", { stream }));
        assert.deepEqual([down.status, down.code], [502, "ALL_PROVIDERS_FAILED"]);
        assert.doesNotMatch(JSON.stringify(down.error), /secret upstream detail/);
      }
      for (const error of [unknown, bad, wrong, disliked]) assert.equal(error.error.requestId, error.requestID);
      assert.equal(await this.member.settled(this.hub), before, "balance");
    });

    await this.case("without credits the answer is 402 and the upstream hears nothing", async () => {
      const poor = await Member.make(this.hub);
      const heard = (await this.provider.heard()).length;
      for (const stream of [false, true]) {
        const short = await thrown(APIError, create(this.clientFor(poor.key), "plain question", { stream }));
        assert.deepEqual([short.status, short.code, short.type], [402, "INSUFFICIENT_CREDITS", "insufficient_quota"]);
      }
      assert.equal((await this.provider.heard()).length, heard);
      assert.deepEqual(await poor.balance(this.hub), { balance: 0n, held: 0n });
    });
  }

  async hangUp() {
    const [said] = this.provider.scripted("a long story");
    // The hub reads such a stream to its end, because the provider bills what it generates: hence "completed".
    await this.case("an aborted stream is settled at the provider's usage, and nothing stays held", async () => {
      const request = { messages: [{ role: "user", content: "a long story" }], stream: true };
      await this.billed(said.usage, request, async (stream) => {
        let read = "";
        for await (const chunk of stream) {
          read += chunk.choices[0].delta.content ?? "";
          if (read.length >= 12) stream.controller.abort();
        }
        assert.ok(said.content.startsWith(read) && read.length < said.content.length / 2, `read ${read}`);
        const { held } = await this.member.balance(this.hub);
        assert.ok(held > 0n, "nothing was held while the call still ran");
      });
    });
  }
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const text = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

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
await upstream(async (provider) => {
  for (const pair of [embedded, shared]) {
    await checks.case(`${pair.name}: the suite runs to its end`, () =>
      pair({ OPENAI_API_KEY: "any", OPENAI_BASE_URL: `${provider.url}/v1` }, async (name, hub) => {
        await hub.start();
        await new Suite(checks, name, hub, provider).run();
        assert.equal(await hub.stop(), 0, "exit code");
      }),
    );
  }
});
checks.finish();

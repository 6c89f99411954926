// The official Anthropic SDK for Node, pointed at a hub: to the sandbox, to an OpenAI upstream and to an Anthropic one. The upstream is an
// independent scripted server that speaks both wires.

import assert from "node:assert/strict";

import Anthropic, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
} from "@anthropic-ai/sdk";

import { Checks } from "../lib/node/checks.mjs";
import { embedded, shared } from "../lib/node/hub.mjs";
import { Member, micro } from "../lib/node/member.mjs";
import { upstream } from "../lib/node/upstream.mjs";

const CLAUDE = "claude-sonnet-5-5";
const TOOL = {
  name: "get_weather",
  description: "The weather of a city",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const user = (content) => [{ role: "user", content }];

/** The checks on one pair. */
class Suite {
  charges = 0;

  constructor(checks, pair, hub, provider) {
    Object.assign(this, { checks, pair, hub, provider });
  }

  clientFor(key) {
    return new Anthropic({ baseURL: this.hub.url, apiKey: key, maxRetries: 0, timeout: 30_000 });
  }

  case(name, body) {
    return this.checks.case(`${this.pair}: ${name}`, body);
  }

  /** A call; afterwards exactly its receipt must have left the balance, with the tokens the answer told. */
  async billed(service, request) {
    const { balance: before } = await this.member.balance(this.hub);
    const call = this.client.messages.create({ max_tokens: 500, ...request });
    const { data, response } = await call.withResponse();
    await this.paid(service, before, response.headers.get("x-hub-receipt"), data.usage);
    return data;
  }

  /** The same with the SDK's streaming helper; the message it puts together, and how many pieces of text came. */
  async streamed(service, request) {
    const { balance: before } = await this.member.balance(this.hub);
    const stream = this.client.messages.stream({ max_tokens: 500, ...request });
    let pieces = 0;
    stream.on("text", () => (pieces += 1));
    const { response } = await stream.withResponse();
    const message = await stream.finalMessage();
    await this.paid(service, before, response.headers.get("x-hub-receipt"), message.usage);
    return { message, pieces };
  }

  async paid(service, before, receiptId, usage) {
    const after = await this.member.settled(this.hub);
    const receipt = await this.member.receipt(this.hub, receiptId);
    assert.deepEqual([receipt.usage.input, receipt.usage.output], [usage.input_tokens, usage.output_tokens], "tokens");
    assert.deepEqual([receipt.service, receipt.outcome], [service, "completed"]);
    assert.equal(before - after, micro(receipt.amount), "what left the balance");
    assert.ok(before > after, "the call cost nothing");
    this.charges += 1;
  }

  async run() {
    this.member = await Member.make(this.hub, 100);
    this.client = this.clientFor(this.member.key);
    await this.sandbox();
    for (const [model, service] of [[this.provider.model, "openai"], [CLAUDE, "claude"]]) {
      await this.answers(model, service);
      await this.refusals(model);
    }
    await this.case("the ledger is clean and holds only these charges", async () => {
      const report = await this.hub.run("ledger", "verify");
      assert.deepEqual([report.clean, report.openHolds], [true, 0]);
      assert.equal((await this.member.usage(this.hub)).length, this.charges);
    });
  }

  async sandbox() {
    await this.case("the sandbox answers the SDK, streams, and counts tokens for nothing", async () => {
      const messages = user("hello there");
      const answer = await this.billed("sandbox", { model: "sandbox", messages });
      assert.match(answer.content[0].text, /^\[sandbox\] You said: hello there/);
      const { message, pieces } = await this.streamed("sandbox", { model: "sandbox", messages });
      assert.equal(message.content[0].text, answer.content[0].text);
      assert.ok(pieces > 5, "the answer did not come in pieces");
      const counted = await this.client.messages.countTokens({ model: "sandbox", messages });
      assert.equal(counted.input_tokens, answer.usage.input_tokens);
    });
  }

  async answers(model, service) {
    const [said] = this.provider.scripted("plain question");

    await this.case(`${service}: whole and streamed answers are the upstream's`, async () => {
      const answer = await this.billed(service, { model, messages: user("plain question") });
      assert.deepEqual([answer.content[0].text, answer.stop_reason], [said.content, "end_turn"]);
      const { message, pieces } = await this.streamed(service, { model, messages: user("plain question") });
      assert.deepEqual([message.content[0].text, message.stop_reason], [said.content, "end_turn"]);
      assert.ok(pieces > 5, "the answer did not come in pieces");
    });

    const [result, call] = this.provider.scripted("weather in both");
    const want = call.toolCalls.map((tool) => [tool.name, tool.arguments]);
    const calls = (message) => message.content.filter((block) => block.type === "tool_use");

    await this.case(`${service}: parallel tool calls come, whole and streamed, and their results go back`, async () => {
      const question = user("weather in both cities, please");
      const { message } = await this.streamed(service, { model, messages: question, tools: [TOOL] });
      assert.deepEqual(calls(message).map((block) => [block.name, block.input]), want);
      assert.equal(message.stop_reason, "tool_use");
      const results = calls(message).map((block) => ({ type: "tool_result", tool_use_id: block.id, content: "sun" }));
      const messages = [...question, { role: "assistant", content: message.content }, { role: "user", content: results }];
      const answer = await this.billed(service, { model, messages, tools: [TOOL] });
      assert.equal(answer.content[0].text, result.content);
    });
  }

  async refusals(model) {
    await this.case(`${model}: refused and failed calls throw the SDK's own errors and cost nothing`, async () => {
      const create = (client, content, changes) =>
        client.messages.create({ model, max_tokens: 5, messages: user(content), ...changes });
      const { balance: before } = await this.member.balance(this.hub);
      const gone = await thrown(NotFoundError, create(this.client, "x", { model: "no-such-model" }));
      const bad = await thrown(AuthenticationError, create(this.clientFor("sk_not-a-key"), "x"));
      const disliked = await thrown(BadRequestError, create(this.client, "refuse me"));
      assert.match(disliked.message, /the upstream does not like this/);
      const down = await thrown(InternalServerError, create(this.client, "break down"));
      assert.deepEqual([down.status, down.error.error.type], [502, "api_error"]);
      assert.ok(!JSON.stringify(down.error).includes("secret upstream detail"));
      const poor = await Member.make(this.hub);
      const short = await thrown(APIError, create(this.clientFor(poor.key), "x"));
      assert.deepEqual([short.status, short.error.error.type], [402, "billing_error"]);
      for (const error of [gone, bad, disliked, down, short]) assert.ok(error.requestID, `request id of ${error}`);
      assert.equal(await this.member.settled(this.hub), before, "balance");
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
await upstream(async (provider) => {
  const keys = {
    OPENAI_API_KEY: "any",
    OPENAI_BASE_URL: `${provider.url}/v1`,
    ANTHROPIC_API_KEY: "any",
    ANTHROPIC_BASE_URL: provider.url,
    HUB__SANDBOX__ENABLED: "true",
    HUB__SANDBOX__DELAY_MS: "0",
  };
  for (const pair of [embedded, shared]) {
    await checks.case(`${pair.name}: the suite runs to its end`, () =>
      pair(keys, async (name, hub) => {
        await hub.start();
        await new Suite(checks, name, hub, provider).run();
        assert.equal(await hub.stop(), 0, "exit code");
      }),
    );
  }
});
checks.finish();

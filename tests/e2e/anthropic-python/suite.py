"""The official Anthropic SDK for Python, pointed at a hub: to the sandbox, to an OpenAI upstream and to an Anthropic one; and the official
OpenAI SDK to the Anthropic one. The upstream is an independent scripted server that speaks both wires."""

import contextlib
import json
import urllib.request

import anthropic
import openai

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, micro, verify
from hub_e2e.upstream import upstream

CLAUDE = "claude-sonnet-5-5"
TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Suite:
    """The checks on one pair."""

    def __init__(self, checks, pair, hub, provider):
        self.checks, self.pair, self.hub, self.provider = checks, pair, hub, provider
        self.member = Member(hub, credits=100)
        self.client = self.client_for(self.member.key)
        self.openai = openai.OpenAI(base_url=f"{hub.url}/v1", api_key=self.member.key, max_retries=0, timeout=30)
        self.charges = 0

    def client_for(self, key):
        return anthropic.Anthropic(base_url=self.hub.url, api_key=key, max_retries=0, timeout=30)

    def case(self, name):
        return self.checks.case(f"{self.pair.name}: {name}")

    def ask(self, model, messages, **arguments):
        """The answer with its headers."""
        messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        arguments = {"max_tokens": 500} | arguments
        return self.client.messages.with_raw_response.create(model=model, messages=messages, **arguments)

    @contextlib.contextmanager
    def billed(self, service):
        """The calls inside set `receipt` and `usage` (input, output); exactly that receipt must have left the balance."""
        bill = {}
        before, _ = self.member.balance(self.hub)
        yield bill
        after = self.member.settled(self.hub)
        receipt = self.member.receipt(self.hub, bill["receipt"])
        tokens = (receipt["usage"]["input"], receipt["usage"]["output"])
        equal(tokens, bill["usage"], "tokens on the receipt")
        equal((receipt["service"], receipt["outcome"]), (service, "completed"))
        equal(before - after, micro(receipt["amount"]), "what left the balance")
        true(before > after, "the call cost nothing")
        self.charges += 1

    def heard(self, path):
        """Bodies of the calls that arrived at the upstream on this path, oldest first."""
        url = f"{self.provider.url}/__aimock/journal?path={path}&limit=1000"
        with urllib.request.urlopen(url, timeout=10) as got:
            return [entry["body"] for entry in json.load(got)]

    def run(self):
        self.sandbox()
        for model, service in ((self.provider.model, "openai"), (CLAUDE, "claude")):
            self.answers(model, service)
            self.tools(model, service)
            self.refusals(model)
        self.chat_over_messages()
        with self.case("the ledger is clean and holds only these charges"):
            verify(self.hub)
            rows = [row for row in self.member.history(self.hub) if row["kind"] == "usage"]
            equal(len(rows), self.charges, "charges")
        with self.case("the hub logged no panic"):
            equal(self.hub.panics(), [])

    def sandbox(self):
        with self.case("the list of models is Anthropic's for its SDK"):
            models = {model.id: model.type for model in self.client.models.list()}
            equal([models.get(name) for name in ("sandbox", CLAUDE, self.provider.model)], ["model"] * 3, "types")
            equal(self.client.models.retrieve(CLAUDE).id, CLAUDE)

        with self.case("the sandbox answers the SDK without any provider's key"):
            with self.billed("sandbox") as bill:
                raw = self.ask("sandbox", "hello there")
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.input_tokens, answer.usage.output_tokens)
            true(answer.content[0].text.startswith("[sandbox] You said: hello there"), answer.content)
            equal((answer.stop_reason, answer.role, answer.type), ("end_turn", "assistant", "message"))
            true(answer._request_id, "no request id")

        with self.case("the sandbox streams, and counts tokens for nothing"):
            with self.billed("sandbox") as bill:
                with self.client.messages.stream(
                    model="sandbox", max_tokens=500, messages=[{"role": "user", "content": "hello there"}]
                ) as stream:
                    text = "".join(stream.text_stream)
                    last = stream.get_final_message()
                    bill["receipt"] = stream.response.headers["x-hub-receipt"]
                bill["usage"] = (last.usage.input_tokens, last.usage.output_tokens)
            equal(last.content[0].text, text)
            counted = self.client.messages.count_tokens(
                model="sandbox", messages=[{"role": "user", "content": "hello there"}]
            )
            equal(counted.input_tokens, last.usage.input_tokens, "tokens counted before")

    def answers(self, model, service):
        said = self.provider.scripted("plain question")[0]["content"]

        with self.case(f"{service}: a whole answer is the upstream's and costs what its receipt says"):
            with self.billed(service) as bill:
                raw = self.ask(model, "plain question")
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.input_tokens, answer.usage.output_tokens)
            equal(("".join(block.text for block in answer.content), answer.stop_reason), (said, "end_turn"))

        with self.case(f"{service}: the SDK's streaming helper puts the answer together"):
            with self.billed(service) as bill:
                with self.client.messages.stream(
                    model=model, max_tokens=500, messages=[{"role": "user", "content": "plain question"}]
                ) as stream:
                    pieces = list(stream.text_stream)
                    last = stream.get_final_message()
                    bill["receipt"] = stream.response.headers["x-hub-receipt"]
                bill["usage"] = (last.usage.input_tokens, last.usage.output_tokens)
            equal("".join(pieces), said, "text")
            true(len(pieces) > 5, "the answer did not come in pieces")
            equal((last.content[0].text, last.stop_reason), (said, "end_turn"))

        with self.case(f"{service}: a conversation with a system prompt arrives whole"):
            messages = [
                {"role": "user", "content": "What time is it?"},
                {"role": "assistant", "content": "Three bells."},
                {"role": "user", "content": [{"type": "text", "text": "and now?"}]},
            ]
            with self.billed(service) as bill:
                raw = self.ask(model, messages, system="You are a ship's clock.", stop_sequences=["\n\n"])
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.input_tokens, answer.usage.output_tokens)
            equal(answer.content[0].text, "Four bells.", "text")
            if service == "openai":
                heard = self.provider.heard()[-1]
                equal(heard["messages"][0], {"role": "system", "content": "You are a ship's clock."})
                equal((heard["messages"][-1]["content"], heard["stop"]), ("and now?", ["\n\n"]))

    def tools(self, model, service):
        question = {"role": "user", "content": "weather in both cities, please"}
        result, call = self.provider.scripted("weather in both")
        want = [(tool["name"], tool["arguments"]) for tool in call["toolCalls"]]

        with self.case(f"{service}: parallel tool calls come, and their results go back"):
            with self.billed(service) as bill:
                raw = self.ask(model, [question], tools=[TOOL], tool_choice={"type": "auto"})
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.input_tokens, answer.usage.output_tokens)
            calls = [block for block in answer.content if block.type == "tool_use"]
            equal([(block.name, block.input) for block in calls], want, "tool calls")
            equal(answer.stop_reason, "tool_use")
            results = [{"type": "tool_result", "tool_use_id": block.id, "content": "sun"} for block in calls]
            turns = [question, {"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
            with self.billed(service) as bill:
                raw = self.ask(model, turns, tools=[TOOL])
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.input_tokens, answer.usage.output_tokens)
            equal(answer.content[0].text, result["content"], "text")

        with self.case(f"{service}: streamed tool calls are put together by the SDK"):
            with self.billed(service) as bill:
                with self.client.messages.stream(
                    model=model, max_tokens=500, messages=[question], tools=[TOOL]
                ) as stream:
                    last = stream.get_final_message()
                    bill["receipt"] = stream.response.headers["x-hub-receipt"]
                bill["usage"] = (last.usage.input_tokens, last.usage.output_tokens)
            calls = [block for block in last.content if block.type == "tool_use"]
            equal([(block.name, block.input) for block in calls], want, "tool calls")

    def refusals(self, model):
        with self.case(f"{model}: refused and failed calls raise the SDK's own errors and cost nothing"):
            before, _ = self.member.balance(self.hub)
            gone = raised(anthropic.NotFoundError, lambda: self.ask("no-such-model", "x"))
            equal((gone.status_code, gone.body["error"]["type"]), (404, "not_found_error"))
            bad = raised(
                anthropic.AuthenticationError,
                lambda: self.client_for("sk_not-a-key").messages.create(
                    model=model, max_tokens=5, messages=[{"role": "user", "content": "x"}]
                ),
            )
            equal(bad.body["error"]["type"], "authentication_error")
            disliked = raised(anthropic.BadRequestError, lambda: self.ask(model, "refuse me"))
            true("the upstream does not like this" in str(disliked.body), f"the provider's words: {disliked.body}")
            for stream in (False, True):
                down = raised(anthropic.InternalServerError, lambda: self.ask(model, "break down", stream=stream))
                equal((down.status_code, down.body["error"]["type"]), (502, "api_error"))
                true("secret upstream detail" not in str(down.body), f"a provider's inner words: {down.body}")
            for error in (gone, bad, disliked, down):
                true(error.request_id, f"request id of {error!r}")
            equal(self.member.settled(self.hub), before, "balance")

        with self.case(f"{model}: without credits the answer is a billing error"):
            poor = self.client_for(Member(self.hub).key)
            call = lambda: poor.messages.create(model=model, max_tokens=5, messages=[{"role": "user", "content": "x"}])
            short = raised(anthropic.APIStatusError, call)
            equal((short.status_code, short.body["error"]["type"]), (402, "billing_error"))

    def chat_over_messages(self):
        said = self.provider.scripted("plain question")[0]["content"]
        question = [{"role": "user", "content": "plain question"}]
        create = self.openai.chat.completions.with_raw_response.create

        with self.case("the OpenAI SDK is served by the Anthropic upstream"):
            with self.billed("claude") as bill:
                raw = create(model=CLAUDE, messages=question, temperature=0.5)
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
            equal((answer.choices[0].message.content, answer.choices[0].finish_reason), (said, "stop"))
            equal(raw.headers["x-hub-dropped"], "temperature")
            heard = self.heard("/v1/messages")[-1]
            true("temperature" not in json.dumps(heard), heard)
            with self.billed("claude") as bill:
                raw = create(model=CLAUDE, messages=question, stream=True, stream_options={"include_usage": True})
                bill["receipt"] = raw.headers["x-hub-receipt"]
                chunks = list(raw.parse())
                bill["usage"] = (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            equal((text, chunks[-2].choices[0].finish_reason), (said, "stop"))

        with self.case("the OpenAI SDK's responses are served by both upstreams, whole and streamed"):
            for model, service in ((self.provider.model, "openai"), (CLAUDE, "claude")):
                with self.billed(service) as bill:
                    raw = self.openai.responses.with_raw_response.create(model=model, input="plain question")
                    answer = raw.parse()
                    bill["receipt"] = raw.headers["x-hub-receipt"]
                    bill["usage"] = (answer.usage.input_tokens, answer.usage.output_tokens)
                equal((answer.output_text, answer.status), (said, "completed"))
                with self.billed(service) as bill:
                    raw = self.openai.responses.with_raw_response.create(
                        model=model, input="plain question", stream=True
                    )
                    bill["receipt"] = raw.headers["x-hub-receipt"]
                    events = list(raw.parse())
                    last = events[-1].response
                    bill["usage"] = (last.usage.input_tokens, last.usage.output_tokens)
                text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
                equal((text, last.output_text, events[-1].type), (said, said, "response.completed"))

        with self.case("the OpenAI SDK's old completions are served by chat where the provider speaks nothing else"):
            with self.billed("openai") as bill:
                raw = self.openai.completions.with_raw_response.create(
                    model=self.provider.model, prompt="plain question", max_tokens=500
                )
                answer = raw.parse()
                bill["receipt"] = raw.headers["x-hub-receipt"]
                bill["usage"] = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
            equal((answer.choices[0].text, answer.choices[0].finish_reason), (said, "stop"))

        with self.case("the OpenAI SDK embeds with the sandbox, in base64 as it likes"):
            before, _ = self.member.balance(self.hub)
            answer = self.openai.embeddings.create(model="sandbox-embedding", input=["one two", "three"], dimensions=16)
            equal([len(item.embedding) for item in answer.data], [16, 16], "numbers")
            true(self.member.settled(self.hub) < before, "vectors cost nothing")
            self.charges += 1


def raised(kind, call):
    """The error of this kind that the call raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def main():
    checks = Checks()
    with upstream() as provider:
        keys = {
            "OPENAI_API_KEY": "any",
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "ANTHROPIC_API_KEY": "any",
            "ANTHROPIC_BASE_URL": provider.url,
        }
        for pair_of in pairs.BOTH:
            with pair_of(**keys) as pair:
                with checks.case(f"{pair.name}: the suite runs to its end"):
                    hub = pair.hub()
                    hub.data_dir.mkdir(parents=True)
                    # The upstream knows no old completions.
                    wires = '[[providers]]\nname = "openai"\nkind = "openai"\nwires = ["chat", "responses"]\n'
                    (hub.data_dir / "hub.toml").write_text(wires, encoding="utf-8")
                    hub.start()
                    Suite(checks, pair, hub, provider).run()
                    equal(hub.stop(), 0, "exit code")
    checks.finish()


if __name__ == "__main__":
    main()

"""Both official SDKs through the hub to mock-ai-api, an independent mock of OpenAI's and Anthropic's interfaces: text, streams, calls of
tools, errors, impatience and aborts in all four directions, and OpenAI's responses and old completions.

What it answers is chosen by the end of the model's name. It has no parallel calls, looks at no picture and no schema, calls no tools in
responses and refuses nothing of its own accord: `strict` and the suites with aimock show those."""

import contextlib
import json
import pathlib
import subprocess
import sys

import anthropic
import openai

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, micro, verify

HERE = pathlib.Path(__file__).resolve().parent
GPT, CLAUDE = "gpt-4.1", "claude-sonnet-4-20250514"
HELLO = "Hello. It's nice to meet you."
# The scenarios that are used, by service: each is a model that needs a price.
SCENARIOS = {
    "openai": ("text", "delay", "tool-call", "tool-stream", "400", "401", "429", "500", "503"),
    "claude": ("text", "delay", "tool-use", "tool-stream", "stream-error", "400", "401", "429", "500", "503"),
}
BASE = {"openai": GPT, "claude": CLAUDE}
TOOL = {"type": "object", "properties": {"path": {"type": "string"}, "contents": {"type": "string"}}}
WRITTEN = {"path": "tmp/mock-file.txt", "contents": "mock output"}
STOP_WITHIN = 10.0


class Chat:
    """The OpenAI SDK: text, tokens `(prompt, completion)` and tool calls of an answer."""

    name, base = "OpenAI SDK", openai.OpenAI
    status, timeout, broken = openai.APIStatusError, openai.APITimeoutError, openai.APIError
    tools = {"tools": [{"type": "function", "function": {"name": "Write", "parameters": TOOL}}]}

    def __init__(self, hub, key, timeout=30):
        self.client = self.base(base_url=self.url(hub), api_key=key, max_retries=0, timeout=timeout)

    def url(self, hub):
        return f"{hub.url}/v1"

    def create(self, model, **more):
        return self.client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": "Hi there"}], **more
        )

    def whole(self, answer):
        message = answer.choices[0].message
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
        return message.content or "", (answer.usage.prompt_tokens, answer.usage.completion_tokens), calls

    def streamed(self, chunks):
        text, usage, calls = "", None, {}
        for chunk in chunks:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, ["", ""])
                    call[0] += piece.function.name or ""
                    call[1] += piece.function.arguments or ""
        return text, (usage.prompt_tokens, usage.completion_tokens), [(name, json.loads(rest)) for name, rest in calls.values()]

    more = {"stream_options": {"include_usage": True}}


class Messages(Chat):
    """The Anthropic SDK."""

    name, base = "Anthropic SDK", anthropic.Anthropic
    status, timeout, broken = anthropic.APIStatusError, anthropic.APITimeoutError, anthropic.APIError
    tools = {"tools": [{"name": "Write", "input_schema": TOOL}]}
    more = {}

    def url(self, hub):
        return hub.url

    def create(self, model, **more):
        return self.client.messages.with_raw_response.create(
            model=model, max_tokens=100, messages=[{"role": "user", "content": "Hi there"}], **more
        )

    def whole(self, answer):
        calls = [(block.name, block.input) for block in answer.content if block.type == "tool_use"]
        text = "".join(block.text for block in answer.content if block.type == "text")
        return text, (answer.usage.input_tokens, answer.usage.output_tokens), calls

    def streamed(self, events):
        text, usage, calls = "", {}, []
        for event in events:
            if event.type == "message_start":
                usage |= event.message.usage.to_dict()
            elif event.type == "message_delta":
                usage |= event.usage.to_dict()
            elif event.type == "content_block_start" and event.content_block.type == "tool_use":
                calls.append([event.content_block.name, ""])
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
            elif event.type == "content_block_delta":
                calls[-1][1] += event.delta.partial_json
        return text, (usage["input_tokens"], usage["output_tokens"]), [(name, json.loads(rest)) for name, rest in calls]


class Responses(Chat):
    """The OpenAI SDK's responses; mock-ai-api speaks them, but never calls a tool in them."""

    name = "OpenAI SDK's responses"
    tools = {"tools": [{"type": "function", "name": "Write", "parameters": TOOL, "strict": None}]}
    more = {}

    def create(self, model, **more):
        return self.client.responses.with_raw_response.create(model=model, input="Hi there", **more)

    def whole(self, answer):
        calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
        return answer.output_text, (answer.usage.input_tokens, answer.usage.output_tokens), calls

    def streamed(self, events):
        text = ""
        for event in events:
            if event.type == "response.output_text.delta":
                text += event.delta
        whole = self.whole(event.response)
        equal(text, whole[0], "what came in pieces")
        return whole


class Completions(Chat):
    """The OpenAI SDK's old completions, which have no tools."""

    name, tools, more = "OpenAI SDK's completions", None, {"stream_options": {"include_usage": True}}

    def create(self, model, **more):
        return self.client.completions.with_raw_response.create(model=model, prompt="Hi there", max_tokens=100, **more)

    def whole(self, answer):
        return answer.choices[0].text, (answer.usage.prompt_tokens, answer.usage.completion_tokens), []

    def streamed(self, chunks):
        text, usage = "", None
        for chunk in chunks:
            usage = chunk.usage or usage
            text += "".join(choice.text for choice in chunk.choices)
        return text, (usage.prompt_tokens, usage.completion_tokens), []


class Suite:
    """The checks on one pair."""

    def __init__(self, checks, pair, hub):
        self.checks, self.pair, self.hub = checks, pair, hub
        self.member = Member(hub, credits=100)

    def case(self, name):
        return self.checks.case(f"{self.pair.name}: {name}")

    def run(self):
        for sdk in (Chat, Messages, Responses, Completions):
            for service in SCENARIOS:
                self.direction(sdk, sdk(self.hub, self.member.key), service)
        self.credential()
        with self.case("the ledger is clean, and the hub logged no panic"):
            self.member.settled(self.hub)
            verify(self.hub)
            equal(self.hub.panics(), [])

    def direction(self, sdk, client, service):
        where, base = f"{sdk.name} to {service}", f"{BASE[service]}:mock-"

        with self.case(f"{where}: whole and streamed answers are the provider's and cost what it says"):
            equal(self.whole(client, service, f"{base}text"), (HELLO, []))
            equal(self.streamed(client, service, f"{base}text"), (HELLO, []))

        # Its responses say text where its chat calls a tool.
        if sdk.tools and (sdk is not Responses or service == "claude"):
            with self.case(f"{where}: a call of a tool comes whole and in pieces"):
                whole = "tool-call" if service == "openai" else "tool-use"
                equal(self.whole(client, service, f"{base}{whole}", **sdk.tools), ("", [("Write", WRITTEN)]))
                equal(self.streamed(client, service, f"{base}tool-stream", **sdk.tools), ("", [("Write", WRITTEN)]))

        with self.case(f"{where}: its errors are the SDK's own, and free"):
            before, _ = self.member.balance(self.hub)
            overloaded = 529 if sdk is Messages else 503
            for status, want in (("400", 400), ("429", 429), ("500", 502), ("503", overloaded)):
                for stream in (False, True):
                    error = raised(sdk.status, lambda: client.create(f"{base}{status}", stream=stream))
                    equal(error.status_code, want, f"status of a {status}")
            if service == "claude":
                error = raised(sdk.status, lambda: client.create(f"{base}stream-error", stream=True))
                equal(error.status_code, 502, "status of an error in place of a stream")
            equal(self.member.settled(self.hub), before, "balance")

        with self.case(f"{where}: a slow stream is left in the middle, or not waited for, and is paid once"):
            before, _ = self.member.balance(self.hub)
            raw = client.create(f"{base}delay", stream=True)
            stream = raw.parse()
            next(iter(stream))
            stream.close()
            after = self.member.settled(self.hub)
            receipt = self.member.receipt(self.hub, raw.headers["x-hub-receipt"])
            equal((before - after, receipt["outcome"]), (micro(receipt["amount"]), "completed"))
            raised(sdk.timeout, lambda: sdk(self.hub, self.member.key, timeout=0.1).create(f"{base}delay", stream=True))
            left = self.member.settled(self.hub)
            row = next(row for row in self.member.history(self.hub) if row["kind"] == "usage")
            true(after - left in (0, -micro(row["amount"])), f"{after - left} left the balance")

    def credential(self):
        """Last, because the hub then leaves the provider alone."""
        with self.case("a credential that is not taken is the operator's trouble, not the caller's"):
            for sdk, service in ((Chat, "openai"), (Messages, "claude")):
                error = raised(sdk.status, lambda: sdk(self.hub, self.member.key).create(f"{BASE[service]}:mock-401"))
                equal(error.status_code, 502, "status")

    def whole(self, client, service, model, **more):
        with self.billed(service) as bill:
            raw = client.create(model, **more)
            text, bill["tokens"], calls = client.whole(raw.parse())
            bill["receipt"] = raw.headers["x-hub-receipt"]
        return text, calls

    def streamed(self, client, service, model, **more):
        with self.billed(service) as bill:
            raw = client.create(model, stream=True, **client.more, **more)
            text, bill["tokens"], calls = client.streamed(raw.parse())
            bill["receipt"] = raw.headers["x-hub-receipt"]
        return text, calls

    @contextlib.contextmanager
    def billed(self, service):
        """The call inside sets `receipt` and `tokens`; exactly that must have left the balance."""
        bill = {}
        before, _ = self.member.balance(self.hub)
        yield bill
        after = self.member.settled(self.hub)
        receipt = self.member.receipt(self.hub, bill["receipt"])
        equal((receipt["usage"]["input"], receipt["usage"]["output"]), bill["tokens"], "tokens on the receipt")
        equal((receipt["service"], receipt["outcome"], receipt["usageSource"]), (service, "completed", "provider"))
        equal(before - after, micro(receipt["amount"]), "what left the balance")
        true(before > after, "the call cost nothing")


def raised(kind, call):
    """The error of this kind that the call raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


@contextlib.contextmanager
def upstream():
    """Starts it, and ends it by closing its standard input."""
    process = subprocess.Popen([sys.executable, "server.py"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def settings():
    """One provider's failures, one by one: retries and breakers have tests of their own. And a price for every scenario."""
    text = '[[providers]]\nname = "openai"\nkind = "openai"\nwires = ["chat", "responses", "completions"]\n'
    text += "[routing]\ntries = 1\nrate_limit_pause_ms = 0\n[routing.breaker]\ncalls = 10000\n"
    for service, scenarios in SCENARIOS.items():
        for scenario in scenarios:
            model = f"{BASE[service]}:mock-{scenario}"
            text += f'[[pricing.models]]\nservice = "{service}"\nmodel = "{model}"\ninput = 15\noutput = 60\nmax_output_tokens = 1000\n'
    return text


def main():
    checks = Checks()
    with upstream() as urls:
        keys = {
            "OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"{urls['openai']}/v1",
            "ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": urls["anthropic"],
        }
        for pair_of in pairs.BOTH:
            with pair_of(**keys) as pair:
                with checks.case(f"{pair.name}: the suite runs to its end"):
                    hub = pair.hub()
                    hub.data_dir.mkdir(parents=True)
                    (hub.data_dir / "hub.toml").write_text(settings(), encoding="utf-8")
                    Suite(checks, pair, hub.start()).run()
                    equal(hub.stop(), 0, "exit code")
    checks.finish()


if __name__ == "__main__":
    main()

"""Both official SDKs against all wires of a strict provider: what scripted servers accept or cannot do. And bytes that
must pass unchanged where both sides speak one wire."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai

import provider as strict
from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, micro, verify

GPT, CLAUDE = "gpt-4o-mini", "claude-sonnet-5-5"
# Takes sampling parameters under the version of 2023.
OLDER = "claude-sonnet-4-6"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL = {
    "type": "function", "name": "get_weather", "strict": None,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"], "additionalProperties": False}
SAID = "".join(strict.WORDS)
# The hub waits so long for a provider's first byte; the provider stalls longer.
FIRST_BYTE_SECONDS = 2


class Chat:
    """The OpenAI SDK."""

    name, error, timeout, limited = "OpenAI SDK", openai.APIStatusError, openai.APITimeoutError, openai.RateLimitError
    broken = openai.APIError

    def __init__(self, hub, member, timeout=30):
        self.client = openai.OpenAI(base_url=f"{hub.url}/v1", api_key=member.key, max_retries=0, timeout=timeout)

    def ask(self, model, content, **more):
        """The text, and the receipt."""
        raw = self.client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": content}], **more
        )
        return raw.parse().choices[0].message.content, raw.headers["x-hub-receipt"], raw.headers

    def stream(self, model, content, leave_after=None):
        """The text read, and the receipt; an error in the stream is raised with both in `read`."""
        raw = self.client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": content}], stream=True
        )
        return read(raw, (chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices), leave_after)

    @staticmethod
    def picture():
        return [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]

    @staticmethod
    def structured():
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}}


class Messages:
    """The Anthropic SDK."""

    name, error, timeout, limited = "Anthropic SDK", anthropic.APIStatusError, anthropic.APITimeoutError, anthropic.RateLimitError
    broken = anthropic.APIError

    def __init__(self, hub, member, timeout=30):
        self.client = anthropic.Anthropic(base_url=hub.url, api_key=member.key, max_retries=0, timeout=timeout)

    def ask(self, model, content, **more):
        raw = self.client.messages.with_raw_response.create(
            model=model, max_tokens=100, messages=[{"role": "user", "content": content}], **more
        )
        return raw.parse().content[0].text, raw.headers["x-hub-receipt"], raw.headers

    def stream(self, model, content, leave_after=None):
        raw = self.client.messages.with_raw_response.create(
            model=model, max_tokens=100, messages=[{"role": "user", "content": content}], stream=True
        )
        deltas = (event.delta.text for event in raw.parse() if event.type == "content_block_delta")
        return read(raw, deltas, leave_after)

    @staticmethod
    def picture():
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        return [{"type": "text", "text": "what is this?"}, {"type": "image", "source": source}]

    @staticmethod
    def structured():
        return {"extra_body": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}}


class ErrorEvent(Exception):
    """The typed event that ends a broken stream of responses: the provider's own, or `error`. This SDK hands it on and raises nothing."""

    def __init__(self, event):
        error = event.response.error if event.type == "response.failed" else event
        super().__init__(error.message)
        true(error.code and event.sequence_number > 0, f"{event}")


class Responses(Chat):
    """The OpenAI SDK's responses."""

    name = "OpenAI SDK's responses"
    broken = ErrorEvent

    def ask(self, model, content, **more):
        raw = self.client.responses.with_raw_response.create(model=model, input=self.input(content), **more)
        return raw.parse().output_text, raw.headers["x-hub-receipt"], raw.headers

    def stream(self, model, content, leave_after=None):
        raw = self.client.responses.with_raw_response.create(model=model, input=self.input(content), stream=True)
        return read(raw, self.deltas(raw.parse()), leave_after)

    @staticmethod
    def deltas(events):
        for event in events:
            if event.type in ("error", "response.failed"):
                raise ErrorEvent(event)
            if event.type == "response.output_text.delta":
                yield event.delta

    @staticmethod
    def input(content):
        return content if isinstance(content, str) else [{"role": "user", "content": content}]

    @staticmethod
    def picture():
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
        return [{"type": "input_text", "text": "what is this?"}, image]

    @staticmethod
    def structured():
        return {"text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}}


class Completions(Chat):
    """The OpenAI SDK's old completions."""

    name = "OpenAI SDK's completions"

    def ask(self, model, content, **more):
        raw = self.client.completions.with_raw_response.create(model=model, prompt=content, max_tokens=100, **more)
        return raw.parse().choices[0].text, raw.headers["x-hub-receipt"], raw.headers

    def stream(self, model, content, leave_after=None):
        raw = self.client.completions.with_raw_response.create(model=model, prompt=content, max_tokens=100, stream=True)
        return read(raw, (chunk.choices[0].text for chunk in raw.parse() if chunk.choices), leave_after)

    picture = structured = None


class Broken(Exception):
    """The SDK raised in the middle of a stream."""

    def __init__(self, text, receipt, cause):
        super().__init__(str(cause))
        self.text, self.receipt, self.cause = text, receipt, cause


def read(raw, texts, leave_after):
    text, receipt = "", raw.headers["x-hub-receipt"]
    try:
        for piece in texts:
            text += piece
            if leave_after is not None and len(text) >= leave_after:
                raw.http_response.close()
                break
    except (openai.APIError, anthropic.APIError, ErrorEvent) as error:
        raise Broken(text, receipt, error) from error
    return text, receipt


class Suite:
    """The checks on one pair."""

    def __init__(self, checks, pair, hub, provider):
        self.checks, self.pair, self.hub, self.provider = checks, pair, hub, provider
        self.member = Member(hub, credits=100)

    def case(self, name):
        return self.checks.case(f"{self.pair.name}: {name}")

    def run(self):
        for sdk, native in ((Chat, "chat"), (Messages, "chat"), (Responses, "responses"), (Completions, "completions")):
            for model, wire in ((GPT, native), (CLAUDE, "messages")):
                self.direction(sdk, sdk(self.hub, self.member), model, wire)
        self.responses()
        self.completions()
        self.versions()
        self.bytes()
        with self.case("the ledger is clean, and the hub logged no panic"):
            self.member.settled(self.hub)
            verify(self.hub)
            equal(self.hub.panics(), [])

    def direction(self, sdk, client, model, wire):
        """One SDK to one wire of the provider."""
        where = f"{sdk.name} to {model}"

        with self.case(f"{where}: whole and streamed answers cost the provider's numbers, however often it tells them"):
            text, receipt, _ = client.ask(model, "hello")
            equal(text, SAID, "whole")
            self.paid(receipt, strict.PROMPT, len(strict.WORDS), "provider", "completed")
            text, receipt = client.stream(model, "hello")
            equal(text, SAID, "streamed")
            self.paid(receipt, strict.PROMPT, len(strict.WORDS), "provider", "completed")

            equal(self.provider.heard[-1][0], wire, "wire at the provider")

        if sdk.picture:
            self.forms(sdk, client, model, wire)

        with self.case(f"{where}: a provider that is overloaded, limited or silent is an error of the SDK, and free"):
            before, _ = self.member.balance(self.hub)
            for content, status in (("overloaded", 529 if sdk is Messages else 503), ("too fast", 429)):
                for stream in (False, True):
                    error = raised(sdk.error, lambda: (client.stream if stream else client.ask)(model, content))
                    equal(error.status_code, status, f"status of {content}")
                    true("inner words" not in str(error.body), f"a provider's inner words: {error.body}")
            begun = time.monotonic()
            error = raised(sdk.error, lambda: client.stream(model, "stall"))
            equal(error.status_code, 502, "status of a stall")
            true(time.monotonic() - begun >= FIRST_BYTE_SECONDS * 0.9, "the hub did not wait")
            equal(self.member.settled(self.hub), before, "balance")

        with self.case(f"{where}: an error in the middle of a stream is raised, and what had come is paid for"):
            broken = raised(Broken, lambda: client.stream(model, "break off"))
            true(isinstance(broken.cause, sdk.broken), f"{broken.cause!r}")
            equal(broken.text, "".join(strict.WORDS[:3]), "what came before")
            true("inner words" in str(broken.cause), f"not the provider's words: {broken.cause}")
            usage = self.receipt(broken.receipt)
            equal((usage["outcome"], usage["usageSource"]), ("failed", "provider" if wire == "messages" else "counted"))
            true(1 <= usage["usage"]["output"] <= 4, f"{usage['usage']}")

        with self.case(f"{where}: a stream that is aborted is read to its end and paid for, because the provider bills it"):
            text, receipt = client.stream(model, "slowly", leave_after=5)
            true(SAID.startswith(text) and len(text) < len(SAID), f"read {text!r}")
            self.paid(receipt, strict.PROMPT, len(strict.WORDS), "provider", "completed")

        with self.case(f"{where}: who has no patience gets the SDK's own error, and pays for the answer once"):
            before, _ = self.member.balance(self.hub)
            raised(sdk.timeout, lambda: sdk(self.hub, self.member, timeout=0.5).ask(model, "patience"))
            after = self.member.settled(self.hub)
            row = next(row for row in self.member.history(self.hub) if row["kind"] == "usage")
            equal(before - after, -micro(row["amount"]), "what left the balance")
            self.paid(row["receiptId"], strict.PROMPT, len(strict.WORDS), "provider", "completed")

    def forms(self, sdk, client, model, wire):
        """What other wires write otherwise."""
        where = f"{sdk.name} to {model}"

        with self.case(f"{where}: a picture arrives in the provider's own form"):
            client.ask(model, sdk.picture())
            heard = self.provider.heard[-1][1]
            part = heard["input" if wire == "responses" else "messages"][-1]["content"][1]
            if wire == "chat":
                equal(part["image_url"]["url"], f"data:image/png;base64,{PIXEL}", "picture")
            elif wire == "responses":
                equal(part["image_url"], f"data:image/png;base64,{PIXEL}", "picture")
            else:
                equal(part["source"], {"type": "base64", "media_type": "image/png", "data": PIXEL}, "picture")

        with self.case(f"{where}: structured output is asked for in the provider's own form"):
            text, _, _ = client.ask(model, "answer as JSON", **sdk.structured())
            equal(json.loads(text), {"answer": 42}, "answer")
            heard = self.provider.heard[-1][1]
            format = {
                "chat": lambda: heard["response_format"]["json_schema"], "responses": lambda: heard["text"]["format"],
                "messages": lambda: heard["output_config"]["format"],
            }
            equal(format[wire]()["schema"], SCHEMA, "schema at the provider")

    def responses(self):
        """What only responses have, at a provider that speaks them."""
        client = Responses(self.hub, self.member).client

        with self.case("responses: parallel calls in turns and encrypted thoughts come, and go back with their results"):
            question = {"role": "user", "content": "weather in both cities"}
            ask = lambda **more: client.responses.with_raw_response.create(
                model=GPT, input=[question], tools=[TOOL], include=["reasoning.encrypted_content"], **more
            )
            raw = ask()
            answer = raw.parse()
            self.paid(raw.headers["x-hub-receipt"], strict.PROMPT, len(strict.WORDS), "provider", "completed")
            raw = ask(stream=True)
            *events, last = raw.parse()
            self.paid(raw.headers["x-hub-receipt"], strict.PROMPT, len(strict.WORDS), "provider", "completed")
            equal([event.sequence_number for event in (*events, last)], list(range(len(events) + 1)), "numbers")
            pieces = {}
            for event in events:
                if event.type == "response.function_call_arguments.delta":
                    pieces[event.item_id] = pieces.get(event.item_id, "") + event.delta
            want = {f"fc_{call}": arguments for call, arguments in strict.CALLS}
            equal({call: json.loads(text) for call, text in pieces.items()}, want, "streamed arguments")
            for output in (answer.output, last.response.output):
                equal((output[0].type, output[0].encrypted_content), ("reasoning", "gAAA"))
                equal([(item.call_id, json.loads(item.arguments)) for item in output[1:]], list(strict.CALLS))
            results = [{"type": "function_call_output", "call_id": call, "output": "sun"} for call, _ in strict.CALLS]
            turns = [question, *(item.to_dict() for item in answer.output), *results]
            done = client.responses.create(model=GPT, input=turns, tools=[TOOL])
            equal((done.output_text, self.provider.heard[-1][1]["input"]), (SAID, turns), "what went back")

        with self.case("responses: the SDK's streaming helper puts the answer together"):
            with client.responses.stream(model=GPT, input="hello") as stream:
                equal(stream.get_final_response().output_text, SAID)

        with self.case("responses: what is kept at the provider is refused, what goes there is not kept, and unknown fields go along"):
            heard = len(self.provider.heard)
            for more in ({"previous_response_id": "resp_1"}, {"store": True}, {"background": True}, {"conversation": "conv_1"}):
                error = raised(openai.BadRequestError, lambda: client.responses.create(model=GPT, input="hello", **more))
                equal(error.param, next(iter(more)))
            reference = [{"type": "item_reference", "id": "msg_1"}]
            raised(openai.BadRequestError, lambda: client.responses.create(model=GPT, input=reference))
            raised(openai.NotFoundError, lambda: client.responses.retrieve("resp_1"))
            equal(len(self.provider.heard), heard, "requests at the provider")
            client.responses.create(model=GPT, input="hello", extra_body={"x_future_field": {"kept": [1, None, "ü"]}})
            body = self.provider.heard[-1][1]
            equal((body["store"], body["x_future_field"]), (False, {"kept": [1, None, "ü"]}))

        with self.case("responses: a stream that fails before it has begun is an error with a status, and free"):
            before, _ = self.member.balance(self.hub)
            error = raised(openai.InternalServerError, lambda: client.responses.create(model=GPT, input="break at once", stream=True))
            true("inner words" not in str(error.body), f"a provider's inner words: {error.body}")
            equal(self.member.settled(self.hub), before, "balance")

    def completions(self):
        """What only the old completions have, at a provider that speaks them."""
        client = Completions(self.hub, self.member).client

        with self.case("completions: token numbers, echo, logprobs and several prompts pass, and every answer is paid"):
            raw = client.completions.with_raw_response.create(
                model=GPT, prompt=[[1, 2], [3]], n=2, echo=True, logprobs=1, max_tokens=20, suffix="!"
            )
            choices = raw.parse().choices
            equal([choice.text for choice in choices], [f"{prompt}{SAID}" for prompt in ("[1, 2]", "[1, 2]", "[3]", "[3]")])
            equal(choices[0].logprobs.tokens, strict.WORDS)
            body = self.provider.heard[-1][1]
            equal((body["prompt"], body["suffix"], body["max_tokens"]), ([[1, 2], [3]], "!", 20))
            self.paid(raw.headers["x-hub-receipt"], strict.PROMPT, 4 * len(strict.WORDS), "provider", "completed")

        with self.case("completions: a limit nobody named is the wire's own"):
            client.completions.create(model=GPT, prompt="hello")
            equal(self.provider.heard[-1][1]["max_tokens"], 16)

    def versions(self):
        """Anthropic's version of 21 October 2026 refuses sampling parameters."""
        with self.case("the provider's refusal of temperature is never met by OpenAI's callers"):
            _, _, headers = Chat(self.hub, self.member).ask(CLAUDE, "hello", temperature=0.5)
            _, body, version = self.provider.heard[-1]
            equal(("temperature" in body, version, headers["x-hub-dropped"]), (False, "2026-10-21", "temperature"))

        with self.case("Anthropic's callers keep their version: the old one takes temperature, the new one refuses it in its words"):
            client = Messages(self.hub, self.member)
            # Newer models take no sampling under any version, and the hub leaves it out for them; this one does.
            client.ask(OLDER, "hello", extra_body={"temperature": 0.5}, extra_headers={"anthropic-version": "2023-06-01"})
            _, body, version = self.provider.heard[-1]
            equal((body["temperature"], version), (0.5, "2023-06-01"))
            before, _ = self.member.balance(self.hub)
            ask = lambda: client.ask(
                OLDER, "hello", extra_body={"temperature": 0.5}, extra_headers={"anthropic-version": "2026-10-21"}
            )
            error = raised(anthropic.BadRequestError, ask)
            true("temperature" in str(error.body), f"{error.body}")
            equal(self.member.settled(self.hub), before, "balance")

    def bytes(self):
        """The same wire on both sides: bytes come as they went."""
        sides = (
            ("/v1/chat/completions", GPT, strict.ODD_CHAT, strict.ODD_CHAT_EVENTS),
            ("/v1/messages", CLAUDE, strict.ODD_MESSAGE, strict.ODD_MESSAGE_EVENTS),
            ("/v1/responses", GPT, strict.ODD_RESPONSE, strict.ODD_RESPONSE_EVENTS),
            ("/v1/completions", GPT, strict.ODD_COMPLETION, strict.ODD_COMPLETION_EVENTS),
        )
        messages = {"max_tokens": 50, "messages": [{"role": "user", "content": "odd bytes"}]}
        words = {"/v1/responses": {"input": "odd bytes"}, "/v1/completions": {"prompt": "odd bytes", "max_tokens": 50}}
        for path, model, whole, events in sides:
            for stream, want in ((False, whole), (True, events)):
                with self.case(f"{path}, stream {stream}: unknown fields, blanks and line ends come byte for byte"):
                    body = {"model": model, "stream": stream} | words.get(path, messages)
                    if stream and path in ("/v1/chat/completions", "/v1/completions"):
                        body["stream_options"] = {"include_usage": True}
                    got, receipt = self.post(path, body)
                    equal(got, want, "bytes")
                    self.paid(receipt, strict.PROMPT, 5, "provider", "completed")

    def post(self, path, body):
        """Body and receipt of a call without any SDK."""
        connection = http.client.HTTPConnection(*self.hub.address, timeout=30)
        try:
            headers = {"authorization": f"Bearer {self.member.key}", "content-type": "application/json", "anthropic-version": "2026-10-21"}
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            got = answer.read()
            equal(answer.status, 200, got)
            return got, answer.headers["x-hub-receipt"]
        finally:
            connection.close()

    def receipt(self, name):
        self.member.settled(self.hub)
        return self.member.receipt(self.hub, name)

    def paid(self, name, prompt, completion, source, outcome):
        receipt = self.receipt(name)
        usage = receipt["usage"]
        got = (usage["input"], usage["output"], receipt["usageSource"], receipt["outcome"])
        equal(got, (prompt, completion, source, outcome), "receipt")


def raised(kind, call):
    """The error of this kind that the call raises."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def main():
    checks = Checks()
    impatient = "".join(
        f'[[providers]]\nname = "{name}"\nkind = "{name}"\nfirst_byte_seconds = {FIRST_BYTE_SECONDS}\n'
        for name in ("openai", "anthropic")
    )
    # Without it OpenAI's newer models, as the one here, are reached by chat.
    impatient = impatient.replace('kind = "openai"\n', 'kind = "openai"\nwires = ["chat", "responses", "completions"]\n')
    # One provider's failures, one by one: retries and breakers have tests of their own.
    impatient += "[routing]\ntries = 1\nrate_limit_pause_ms = 0\n[routing.breaker]\ncalls = 10000\n"

    def run(pair_of):
        provider = strict.Provider()
        settings = {
            "OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"{provider.url}/v1",
            "ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": provider.url,
        }
        with pair_of(**settings) as pair:
            with checks.case(f"{pair.name}: the suite runs to its end"):
                hub = pair.hub()
                hub.data_dir.mkdir(parents=True)
                (hub.data_dir / "hub.toml").write_text(impatient, encoding="utf-8")
                Suite(checks, pair, hub.start(), provider).run()
                equal(hub.stop(), 0, "exit code")

    # Most of the time is waited for: the pairs run side by side, each with a provider of its own.
    with ThreadPoolExecutor(len(pairs.BOTH)) as pool:
        list(pool.map(run, pairs.BOTH))
    checks.finish()


if __name__ == "__main__":
    main()

"""The official OpenAI SDK for Python, pointed at a hub whose provider is an independent scripted server."""

import contextlib
import time

import openai

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, micro, verify
from hub_e2e.upstream import upstream

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


class Suite:
    """The checks on one pair."""

    def __init__(self, checks, pair, hub, provider):
        self.checks, self.pair, self.hub, self.provider = checks, pair, hub, provider
        self.member = Member(hub, credits=10)
        self.client = self.client_for(self.member.key)
        self.charges = 0

    def client_for(self, key):
        return openai.OpenAI(base_url=f"{self.hub.url}/v1", api_key=key, max_retries=0, timeout=30)

    def case(self, name):
        return self.checks.case(f"{self.pair.name}: {name}")

    def chat(self, messages, **arguments):
        """The answer with its headers."""
        return self.client.chat.completions.with_raw_response.create(
            model=self.provider.model, messages=messages, **arguments
        )

    @contextlib.contextmanager
    def billed(self, usage):
        """The calls inside set `receipt`; afterwards exactly that receipt must have left the balance."""
        bill = {}
        before, _ = self.member.balance(self.hub)
        yield bill
        after = self.member.settled(self.hub)
        receipt = self.member.receipt(self.hub, bill["receipt"])
        tokens = (receipt["usage"]["input"], receipt["usage"]["output"])
        equal(tokens, (usage["prompt_tokens"], usage["completion_tokens"]), "tokens on the receipt")
        equal((receipt["model"], receipt["service"], receipt["outcome"]), (self.provider.model, "openai", "completed"))
        equal(before - after, micro(receipt["amount"]), "what left the balance")
        true(before > after, "the call cost nothing")
        row = next(row for row in self.member.history(self.hub) if row.get("receiptId") == receipt["id"])
        equal((row["id"], -micro(row["amount"])), (receipt["transactionId"], micro(receipt["amount"])), "the ledger's row")
        self.charges += 1

    def run(self):
        with self.case("the list of models names the provider's"):
            models = {model.id: model.owned_by for model in self.client.models.list()}
            equal(models.get(self.provider.model), "openai", "owner")
            equal(self.client.models.retrieve(self.provider.model).id, self.provider.model)
        self.answers()
        self.tools()
        self.responses()
        self.refusals()
        self.hang_up()
        with self.case("the ledger is clean and holds only these charges"):
            verify(self.hub)
            rows = [row for row in self.member.history(self.hub) if row["kind"] == "usage"]
            equal(len(rows), self.charges, "charges")
        with self.case("the hub logged no panic"):
            equal(self.hub.panics(), [])

    def answers(self):
        question = [{"role": "user", "content": "plain question"}]
        said = self.provider.scripted("plain question")[0]

        with self.case("a whole answer is the upstream's and costs what its receipt says"):
            with self.billed(said["usage"]) as bill:
                raw = self.chat(question, extra_body={"x_future_field": {"kept": [1, None, "ü"]}})
                bill["receipt"] = raw.headers["x-hub-receipt"]
            answer = raw.parse()
            equal(answer.choices[0].message.content, said["content"], "text")
            equal(answer.choices[0].finish_reason, "stop")
            equal(answer.usage.to_dict(), said["usage"], "usage")
            heard = self.provider.heard()[-1]
            equal(heard["x_future_field"], {"kept": [1, None, "ü"]}, "a field the hub does not know")
            equal(heard["messages"], question, "messages at the upstream")

        with self.case("a stream is the upstream's, without a usage chunk nobody asked for"):
            with self.billed(said["usage"]) as bill:
                raw = self.chat(question, stream=True)
                bill["receipt"] = raw.headers["x-hub-receipt"]
                chunks = list(raw.parse())
            equal(text_of(chunks), said["content"], "text")
            true(len(chunks) > 5, "the answer did not come in pieces")
            true(all(chunk.choices and chunk.usage is None for chunk in chunks), "a chunk with usage came")
            equal(self.provider.heard()[-1]["stream_options"], {"include_usage": True}, "what the hub asks for itself")

        with self.case("a stream with include_usage ends with the upstream's usage"):
            with self.billed(said["usage"]) as bill:
                raw = self.chat(question, stream=True, stream_options={"include_usage": True})
                bill["receipt"] = raw.headers["x-hub-receipt"]
                chunks = list(raw.parse())
            equal(text_of(chunks), said["content"], "text")
            equal((chunks[-1].choices, chunks[-1].usage.to_dict()), ([], said["usage"]), "last chunk")

        with self.case("a conversation with a system message arrives whole"):
            messages = [
                {"role": "system", "content": "You are a ship's clock."},
                {"role": "user", "content": "What time is it?"},
                {"role": "assistant", "content": "Three bells."},
                {"role": "user", "content": [{"type": "text", "text": "and now?"}]},
            ]
            said = self.provider.scripted("and now?")[0]
            with self.billed(said["usage"]) as bill:
                raw = self.chat(messages, temperature=0.25, stop=["\n\n"])
                bill["receipt"] = raw.headers["x-hub-receipt"]
            equal(raw.parse().choices[0].message.content, said["content"], "text")
            heard = self.provider.heard()[-1]
            equal((heard["messages"], heard["temperature"], heard["stop"]), (messages, 0.25, ["\n\n"]))

    def tools(self):
        question = {"role": "user", "content": "weather in both cities, please"}
        result, call = self.provider.scripted("weather in both")
        want = [(t["id"], t["name"], compact(t["arguments"])) for t in call["toolCalls"]]

        with self.case("parallel tool calls pass through, and their results go back"):
            with self.billed(call["usage"]) as bill:
                raw = self.chat([question], tools=TOOLS, tool_choice="auto", parallel_tool_calls=True)
                bill["receipt"] = raw.headers["x-hub-receipt"]
            choice = raw.parse().choices[0]
            calls = choice.message.tool_calls
            equal([(c.id, c.function.name, c.function.arguments) for c in calls], want, "tool calls")
            equal(choice.finish_reason, "tool_calls")
            heard = self.provider.heard()[-1]
            equal((heard["tools"], heard["tool_choice"], heard["parallel_tool_calls"]), (TOOLS, "auto", True))
            results = [{"role": "tool", "tool_call_id": c.id, "content": "sun"} for c in calls]
            with self.billed(result["usage"]) as bill:
                raw = self.chat([question, choice.message.to_dict(), *results], tools=TOOLS)
                bill["receipt"] = raw.headers["x-hub-receipt"]
            equal(raw.parse().choices[0].message.content, result["content"], "text")

        with self.case("streamed parallel tool calls keep their order and pieces"):
            with self.billed(call["usage"]) as bill:
                raw = self.chat([question], tools=TOOLS, stream=True)
                bill["receipt"] = raw.headers["x-hub-receipt"]
                calls = {}
                for chunk in raw.parse():
                    for piece in chunk.choices[0].delta.tool_calls or []:
                        known = calls.setdefault(piece.index, ["", "", ""])
                        known[0] += piece.id or ""
                        known[1] += piece.function.name or ""
                        known[2] += piece.function.arguments or ""
            equal([tuple(calls[index]) for index in sorted(calls)], want, "tool calls")

    def responses(self):
        """Responses, which the upstream speaks itself."""
        ask = lambda **arguments: self.client.responses.with_raw_response.create(model=self.provider.model, **arguments)
        said = self.provider.scripted("plain question")[0]

        with self.case("responses are the upstream's, whole and streamed, and cost what their receipts say"):
            heard = len(self.provider.heard("/v1/responses"))
            with self.billed(said["usage"]) as bill:
                raw = ask(input="plain question")
                bill["receipt"] = raw.headers["x-hub-receipt"]
            answer = raw.parse()
            equal((answer.output_text, answer.status), (said["content"], "completed"))
            with self.billed(said["usage"]) as bill:
                raw = ask(input="plain question", stream=True)
                bill["receipt"] = raw.headers["x-hub-receipt"]
                *events, last = raw.parse()
            pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
            equal(("".join(pieces), last.type, last.response.output_text), (said["content"], "response.completed", said["content"]))
            true(len(pieces) > 5, "the answer did not come in pieces")
            equal(len(self.provider.heard("/v1/responses")), heard + 2, "calls in the upstream's own wire")

        result, call = self.provider.scripted("weather in both")
        tools = [{"type": "function", "strict": None} | tool["function"] for tool in TOOLS]
        want = [(t["id"], t["name"], compact(t["arguments"])) for t in call["toolCalls"]]
        told = lambda response: [(i.call_id, i.name, i.arguments) for i in response.output if i.type == "function_call"]

        with self.case("parallel tool calls of responses pass through, whole and streamed, and their results go back"):
            question = {"role": "user", "content": "weather in both cities, please"}
            with self.billed(call["usage"]) as bill:
                raw = ask(input=[question], tools=tools, stream=True)
                bill["receipt"] = raw.headers["x-hub-receipt"]
                *_, last = raw.parse()
            equal(told(last.response), want, "streamed tool calls")
            with self.billed(call["usage"]) as bill:
                raw = ask(input=[question], tools=tools)
                bill["receipt"] = raw.headers["x-hub-receipt"]
            equal(told(raw.parse()), want, "tool calls")
            results = [{"type": "function_call_output", "call_id": id, "output": "sun"} for id, *_ in want]
            turns = [question, *(item.to_dict() for item in raw.parse().output), *results]
            with self.billed(result["usage"]) as bill:
                raw = ask(input=turns, tools=tools)
                bill["receipt"] = raw.headers["x-hub-receipt"]
            equal(raw.parse().output_text, result["content"], "text")

        with self.case("refused and failed responses raise the SDK's own errors and cost nothing"):
            before, _ = self.member.balance(self.hub)
            disliked = raised(openai.BadRequestError, lambda: ask(input="refuse me"))
            true("the upstream does not like this" in disliked.message, f"the provider's words: {disliked.message}")
            for stream in (False, True):
                down = raised(openai.InternalServerError, lambda: ask(input="break down", stream=stream))
                true("secret upstream detail" not in str(down.body), f"a provider's inner words: {down.body}")
            equal(self.member.settled(self.hub), before, "balance")

    def refusals(self):
        def create(client, content="plain question", **changes):
            arguments = {"model": self.provider.model, "messages": [{"role": "user", "content": content}]} | changes
            return client.chat.completions.create(**arguments)

        with self.case("refused and failed calls raise the SDK's own errors and cost nothing"):
            before, _ = self.member.balance(self.hub)
            unknown = raised(openai.NotFoundError, lambda: create(self.client, model="no-such-model"))
            equal((unknown.status_code, unknown.code, unknown.param), (404, "MODEL_NOT_FOUND", "model"))
            gone = raised(openai.NotFoundError, lambda: self.client.models.retrieve("no-such-model"))
            equal(gone.status_code, 404)
            bad = raised(openai.AuthenticationError, lambda: create(self.client_for("sk_not-a-key")))
            equal((bad.status_code, bad.code), (401, "AUTHENTICATION_ERROR"))
            wrong = raised(openai.BadRequestError, lambda: create(self.client, messages=[]))
            equal((wrong.status_code, wrong.code, wrong.param), (400, "VALIDATION_ERROR", "messages"))
            disliked = raised(openai.BadRequestError, lambda: create(self.client, "refuse me"))
            true("the upstream does not like this" in disliked.message, f"the provider's words: {disliked.message}")
            for stream in (False, True):
                down = raised(openai.InternalServerError, lambda: create(self.client, "break down", stream=stream))
                equal((down.status_code, down.code), (502, "ALL_PROVIDERS_FAILED"))
                true("secret upstream detail" not in str(down.body), f"a provider's inner words: {down.body}")
            for error in (unknown, bad, wrong, disliked, down):
                true(error.request_id and error.body["requestId"] == error.request_id, f"request id of {error!r}")
            equal(self.member.settled(self.hub), before, "balance")

        with self.case("without credits the answer is 402 and the upstream hears nothing"):
            poor = Member(self.hub)
            heard = len(self.provider.heard())
            for stream in (False, True):
                short = raised(openai.APIStatusError, lambda: create(self.client_for(poor.key), stream=stream))
                equal((short.status_code, short.code, short.type), (402, "INSUFFICIENT_CREDITS", "insufficient_quota"))
            equal(len(self.provider.heard()), heard, "requests at the upstream")
            equal(poor.balance(self.hub), (0, 0), "balance")

    def hang_up(self):
        said = self.provider.scripted("a long story")[0]

        # The hub reads such a stream to its end, because the provider bills what it generates: hence "completed".
        with self.case("a stream left in the middle is settled at the provider's usage, and nothing stays held"):
            with self.billed(said["usage"]) as bill:
                raw = self.chat([{"role": "user", "content": "a long story"}], stream=True)
                bill["receipt"] = raw.headers["x-hub-receipt"]
                begun, read = time.monotonic(), ""
                stream = raw.parse()
                for chunk in stream:
                    read += chunk.choices[0].delta.content or ""
                    if len(read) >= 12:
                        break
                stream.close()
                true(time.monotonic() - begun < 10, "the stream was not live")
                true(said["content"].startswith(read) and len(read) < len(said["content"]) / 2, f"read {read!r}")
                _, held = self.member.balance(self.hub)
                true(held > 0, "nothing was held while the call still ran")


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def compact(arguments):
    """How the upstream writes a fixture's arguments."""
    return "{" + ",".join(f'"{name}":"{value}"' for name, value in arguments.items()) + "}"


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
        for pair_of in pairs.BOTH:
            with pair_of(OPENAI_API_KEY="any", OPENAI_BASE_URL=f"{provider.url}/v1") as pair:
                with checks.case(f"{pair.name}: the suite runs to its end"):
                    hub = pair.hub().start()
                    Suite(checks, pair, hub, provider).run()
                    equal(hub.stop(), 0, "exit code")
    checks.finish()


if __name__ == "__main__":
    main()

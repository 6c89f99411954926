"""A provider with a meter of its own: OpenAI's chat completions and Anthropic's messages, with faults by plan.

It bills what it was given and what it has generated, whether or not anybody reads it: every attempt that it began to
answer is one line of the bill.
"""

import asyncio
import collections
import contextlib
import dataclasses
import json
import re
import time

import plan

CLASSES = ("input", "cacheRead", "cacheWrite", "output", "reasoning")


@dataclasses.dataclass
class Line:
    """One line of the bill."""

    id: str
    number: int
    model: str
    stream: bool
    fault: str
    tokens: dict
    # The last byte was written, end mark included.
    complete: bool = False
    # The caller was told the usage.
    told: bool = False
    # When each token was generated.
    made: list = dataclasses.field(default_factory=list)


class Provider:
    """The running server."""

    def __init__(self, seed, long_from):
        self.seed, self.long_from = seed, long_from
        self.bill = []
        self.attempts = collections.Counter()
        self.faults = collections.Counter()
        self.idle = set()
        self.port = 0
        self._server = None

    async def open(self):
        """Listens; the second time on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self):
        """Refuses connections, and ends those that rest."""
        self._server.close()
        for writer in list(self.idle):
            writer.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                self.idle.add(writer)
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                finally:
                    self.idle.discard(writer)
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                if not length:
                    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}")
                    continue
                body = await reader.readexactly(int(length[1]))
                if not await self._answer(head, json.loads(body), writer):
                    break
        writer.close()

    async def _answer(self, head, body, writer):
        """Answers one call; `False` when the connection ends with it."""
        number = int(re.search(r"bill call (\d+)", json.dumps(body["messages"]))[1])
        attempt = self.attempts[number]
        self.attempts[number] += 1
        answer = plan.answer(self.seed, number, attempt, self.long_from)
        self.faults[answer.fault] += 1
        wire = Messages if head.startswith(b"POST /v1/messages ") else Chat
        if answer.fault == "reset":
            return False
        if answer.fault in plan.EARLY:
            status = int(answer.fault[:3])
            extra = "retry-after: 1\r\n" if "pause" in answer.fault else ""
            return await self._whole(writer, answer, status, wire.refusal(status), f"up-{number}-{attempt}", extra)
        if answer.fault == "slow":
            await asyncio.sleep(0.4)
        line = Line(
            id=f"up-{number}-{attempt}", number=number, model=body["model"], stream=bool(body.get("stream")),
            fault=answer.fault, tokens=dict.fromkeys(CLASSES, 0),
        )
        # A tokenizer of its own: a word is a token and a half.
        words = len(json.dumps(body["messages"]).split())
        line.tokens["input"] = words * 3 // 2
        line.tokens["cacheRead"] = answer.cached
        self.bill.append(line)
        if line.stream:
            return await self._stream(writer, answer, line, wire)
        await asyncio.sleep(answer.tokens * answer.pause)
        line.tokens |= {"output": answer.tokens, "reasoning": answer.reasoning}
        line.made = [time.monotonic()] * answer.tokens
        line.told = answer.fault != "no usage"
        if not line.told:
            line.tokens["reasoning"] = 0
        line.complete = True
        return await self._whole(writer, answer, 200, wire.whole(line), line.id)

    async def _whole(self, writer, answer, status, body, name, extra=""):
        text = json.dumps(body).encode()
        writer.write(
            f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
            f"x-request-id: {name}\r\nrequest-id: {name}\r\n{extra}connection: {'keep-alive' if answer.keep else 'close'}\r\n\r\n".encode()
            + text
        )
        await writer.drain()
        return answer.keep

    async def _stream(self, writer, answer, line, wire):
        """Generates until the end, the fault, or the hub's hanging up; the bill follows each token."""

        async def say(*events):
            text = "".join(events).encode()
            writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            await writer.drain()
            # `drain` alone does not notice: the transport only counts failed writes.
            if writer.transport.is_closing():
                raise ConnectionResetError

        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
            f"x-request-id: {line.id}\r\nrequest-id: {line.id}\r\n\r\n".encode()
        )
        cut = answer.before if answer.fault in ("error", "truncated") else None
        said = wire(line)
        await say(*said.begin())
        for index in range(answer.tokens):
            if index == cut:
                if answer.fault == "error":
                    await say(said.error())
                    writer.write(b"0\r\n\r\n")
                    await writer.drain()
                return False
            if index == answer.tokens - 1 and answer.fault == "early usage":
                line.tokens["output"] += 1
                await say(*said.usage())
                line.tokens["output"] -= 1
                line.told = True
            line.tokens["output"] += 1
            line.made.append(time.monotonic())
            await say(said.token())
            await asyncio.sleep(answer.pause)
        if answer.fault not in ("no usage", "early usage"):
            line.tokens["reasoning"] = answer.reasoning
            line.told = True
        await say(*said.end(line.told and answer.fault != "early usage"))
        writer.write(b"0\r\n\r\n")
        line.complete = True
        await writer.drain()
        return True


class Chat:
    """OpenAI's wire."""

    def __init__(self, line):
        self.line = line

    @staticmethod
    def refusal(status):
        return {"error": {"message": "no, by plan", "type": "planned", "param": None, "code": None}}

    @staticmethod
    def told(line):
        tokens = line.tokens
        prompt = tokens["input"] + tokens["cacheRead"]
        completion = tokens["output"] + tokens["reasoning"]
        return {
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": tokens["cacheRead"]},
            "completion_tokens_details": {"reasoning_tokens": tokens["reasoning"]},
        }

    @classmethod
    def whole(cls, line):
        message = {"role": "assistant", "content": plan.TOKEN * line.tokens["output"]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        usage = {"usage": cls.told(line)} if line.told else {}
        return {"id": line.id, "object": "chat.completion", "created": 1, "model": line.model, "choices": [choice]} | usage

    def begin(self):
        return [self._chunk({"role": "assistant", "content": ""})]

    def token(self):
        return self._chunk({"content": plan.TOKEN})

    def usage(self):
        return [self._event({"choices": [], "usage": self.told(self.line)})]

    def end(self, usage):
        return [self._chunk({}, "stop"), *(self.usage() if usage else []), "data: [DONE]\n\n"]

    def error(self):
        return self._event({"error": {"message": "broken, by plan", "type": "server_error", "param": None, "code": None}})

    def _chunk(self, delta, finish=None):
        return self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _event(self, fields):
        about = {"id": self.line.id, "object": "chat.completion.chunk", "created": 1, "model": self.line.model}
        return f"data: {json.dumps(fields if 'error' in fields else about | fields)}\n\n"


class Messages:
    """Anthropic's wire. Its prompt is told at the start, and usage is cumulative."""

    def __init__(self, line):
        self.line = line

    @staticmethod
    def refusal(status):
        kind = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": "no, by plan"}}

    @staticmethod
    def prompt(line):
        return {"input_tokens": line.tokens["input"], "cache_read_input_tokens": line.tokens["cacheRead"]}

    @classmethod
    def whole(cls, line):
        usage = {"usage": cls.prompt(line) | {"output_tokens": line.tokens["output"]}} if line.told else {}
        content = [{"type": "text", "text": plan.TOKEN * line.tokens["output"]}]
        return cls.message(line, content, "end_turn") | usage

    @staticmethod
    def message(line, content, stop):
        about = {"id": line.id, "type": "message", "role": "assistant", "model": line.model}
        return about | {"content": content, "stop_reason": stop, "stop_sequence": None}

    def begin(self):
        usage = self.prompt(self.line) | {"output_tokens": 1}
        message = self.message(self.line, [], None) | {"usage": usage}
        block = {"index": 0, "content_block": {"type": "text", "text": ""}}
        return [self._event("message_start", message=message), self._event("content_block_start", **block)]

    def token(self):
        return self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": plan.TOKEN})

    def usage(self):
        return [self._event("message_delta", delta={}, usage={"output_tokens": self.line.tokens["output"]})]

    def end(self, usage):
        told = {"usage": {"output_tokens": self.line.tokens["output"]}} if usage else {}
        stop = {"stop_reason": "end_turn", "stop_sequence": None}
        return [
            self._event("content_block_stop", index=0),
            self._event("message_delta", delta=stop, **told),
            self._event("message_stop"),
        ]

    def error(self):
        return self._event("error", error={"type": "overloaded_error", "message": "broken, by plan"})

    @staticmethod
    def _event(kind, **fields):
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n"

"""Sandbox calls and deductions as a plain HTTP client makes them, and what that client saw of each. For suites that have httpx."""

import contextlib
import dataclasses
import json
from decimal import Decimal

import httpx

from .member import MICRO, micro

CALLS_AT_ONCE = 200
PATIENCE = 60.0


@dataclasses.dataclass
class Seen:
    """What the client knows about one call."""

    status: int = 0
    receipt: str | None = None
    words: int = 0
    complete: bool = False
    code: str | None = None
    retry_after: str | None = None


@dataclasses.dataclass
class Deducted:
    """What the client knows about one deduction; status 0 when no answer came."""

    status: int = 0
    transaction: str | None = None
    balance: int | None = None
    code: str | None = None
    retry_after: str | None = None


@contextlib.asynccontextmanager
async def client(at_once=CALLS_AT_ONCE, patience=PATIENCE):
    """A client with a connection for each call, that waits so many seconds for the next bytes."""
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, timeout=patience, trust_env=False) as made:
        yield made


async def call(http, hub, member, orders, *, words, stream, leave_after=None):
    """One call for `words` words. Ends with what was seen, also when the connection breaks; `leave_after` hangs up."""
    seen = Seen()
    body = {
        "model": "sandbox",
        "messages": [{"role": "user", "content": f"{orders} sandbox:words={words}"}],
        "max_completion_tokens": words,
        "stream": stream,
    }
    request = http.build_request(
        "POST", f"{hub.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {member.key}"}
    )
    try:
        answer = await http.send(request, stream=True)
    except httpx.TransportError:
        return seen
    try:
        seen.status, seen.receipt = answer.status_code, answer.headers.get("x-hub-receipt")
        if seen.status != 200:
            seen.code = json.loads(await answer.aread())["error"]["code"]
            seen.retry_after = answer.headers.get("retry-after")
        elif stream:
            await _read_stream(answer, seen, leave_after)
        else:
            whole = json.loads(await answer.aread())
            seen.words, seen.complete = len(whole["choices"][0]["message"]["content"].split()), True
    except httpx.TransportError:
        pass
    finally:
        await answer.aclose()
    return seen


async def deduct(http, hub, operator, member, amount, key=None):
    """Takes `amount` micro-credits from a member, by the key of an operator who may; `key` is the Idempotency-Key."""
    headers = {"authorization": f"Bearer {operator.key}", "content-type": "application/json"}
    if key is not None:
        headers["idempotency-key"] = key
    credits = f"{amount // MICRO}.{amount % MICRO:06}"
    body = f'{{"userId": "{member.id}", "amount": {credits}, "reason": "e2e"}}'
    try:
        answer = await http.post(f"{hub.url}/api/credits/deduct", content=body, headers=headers)
        said = json.loads(answer.content, parse_float=Decimal)
    except httpx.TransportError:
        return Deducted()
    if answer.status_code != 200:
        return Deducted(answer.status_code, code=said["error"]["code"], retry_after=answer.headers.get("retry-after"))
    return Deducted(200, said["transactionId"], micro(said["newBalance"]))


async def _read_stream(answer, seen, leave_after):
    async for line in answer.aiter_lines():
        if line == "data: [DONE]":
            seen.complete = True
        elif line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                seen.code = event["error"]["code"]
                return
            if event["choices"] and event["choices"][0]["delta"].get("content"):
                seen.words += 1
        if leave_after is not None and seen.words >= leave_after:
            return

"""The callers: each makes its call in its wire, reads what comes, and leaves when its plan says so."""

import asyncio
import dataclasses
import json

import httpx

import plan

PATIENCE = 60.0


@dataclasses.dataclass
class Seen:
    """What the caller knows of its call."""

    call: plan.Call
    hub: object
    status: int = 0
    tokens: int = 0
    complete: bool = False


async def make(http, call, member, seen):
    """Makes the call; what came of it is in `seen`, also when the connection breaks."""
    messages = [{"role": "user", "content": call.prompt}]
    body = {"model": call.model, "messages": messages, "max_tokens": 600}
    if call.stream:
        body["stream"] = True
    path = "/v1/messages" if call.wire == "anthropic" else "/v1/chat/completions"
    headers = {"authorization": f"Bearer {member.key}", "x-request-id": call.id}
    if call.wire == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
    request = http.build_request("POST", f"{seen.hub.url}{path}", json=body, headers=headers)
    try:
        if call.stream or call.leave_after is None:
            await _read(http, request, call, seen)
        else:
            await asyncio.wait_for(_read(http, request, call, seen), call.leave_after / 100 + 0.005)
    except (httpx.TransportError, TimeoutError):
        pass


async def _read(http, request, call, seen):
    answer = await http.send(request, stream=True)
    try:
        seen.status = answer.status_code
        if seen.status != 200:
            await answer.aread()
        elif call.stream:
            await _stream(answer, call, seen)
        else:
            whole = json.loads(await answer.aread())
            if call.wire == "anthropic":
                text = "".join(block["text"] for block in whole["content"])
            else:
                text = whole["choices"][0]["message"]["content"]
            seen.tokens, seen.complete = len(text) // len(plan.TOKEN), True
    finally:
        await answer.aclose()


async def _stream(answer, call, seen):
    async for line in answer.aiter_lines():
        if call.leave_after is not None and seen.tokens >= call.leave_after:
            return
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            seen.complete = True
            continue
        event = json.loads(line.removeprefix("data: "))
        seen.complete |= event.get("type") == "message_stop"
        text = (event.get("delta") or {}).get("text") or ""
        if event.get("choices"):
            text = event["choices"][0]["delta"].get("content") or ""
        seen.tokens += len(text) // len(plan.TOKEN)

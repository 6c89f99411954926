"""A strict provider in all four wires: refuses what the real ones refuse, and does what scripted servers do not.

What it does is chosen by a word in the last message. It keeps every body it was sent, and writes its answers byte by byte.
As a program it prints {"url"}, tells what it heard at /heard, and ends when its standard input ends.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["One ", "two ", "three ", "four ", "five."]
PROMPT = 40
SAMPLING = ("temperature", "top_p", "top_k")
PATHS = {
    "/v1/chat/completions": "chat", "/v1/messages": "messages", "/v1/responses": "responses", "/v1/completions": "completions",
}
# Fields the wires do not have; real servers refuse what they do not know.
FOREIGN = {
    "messages": ("response_format", "max_completion_tokens", "stream_options", "stop", "n"),
    "chat": ("output_config", "system", "stop_sequences", "thinking", "anthropic_version"),
    "responses": ("messages", "max_tokens", "max_completion_tokens", "response_format", "reasoning_effort", "stop", "n", "system"),
    "completions": ("messages", "input", "max_completion_tokens", "tools", "response_format"),
}
# What would reach something kept in the account, which the hub's members share.
KEPT = ("previous_response_id", "conversation", "prompt", "background")
PARTS = {
    "messages": ("text", "image", "tool_use", "tool_result"),
    "chat": ("text", "image_url"),
    "responses": ("input_text", "input_image", "output_text"),
}
ITEMS = ("message", "reasoning", "function_call", "function_call_output")
CALLS = (("call_oslo", {"city": "Oslo"}), ("call_rome", {"city": "Rome"}))
ODD_CHAT = (
    b'{ "id":"x1",\r\n\t"object" : "chat.completion", "x_new": {"b":1,"a":[ 1,2 ]}, "created":1,"model":"m","choices":[ {"index":0,'
    b'"message":{"role":"assistant","content":"h\\u00e9llo \\/ ok","x_more":null},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45, "x_extra":1e3}}\r\n'
)
ODD_MESSAGE = (
    b'{ "id":"x1","type":"message",\r\n\t"role" : "assistant", "x_new": {"b":1,"a":[ 1,2 ]}, "model":"m","content":[ {"type":"text",'
    b'"text":"h\\u00e9llo \\/ ok","x_more":null},{"type":"x_block","v":1}],"stop_reason":"end_turn","stop_sequence":null,'
    b'"usage":{"input_tokens":40,"output_tokens":5, "x_extra":1e3}}\r\n'
)
ODD_RESPONSE = (
    b'{ "id":"x1",\r\n\t"object" : "response", "x_new": {"b":1,"a":[ 1,2 ]}, "created_at":1,"model":"m","status":"completed",'
    b'"error":null,"output":[ {"type":"x_item","v":1},{"type":"message","role":"assistant","content":[{"type":"output_text",'
    b'"text":"h\\u00e9llo \\/ ok","x_more":null}]}],"usage":{"input_tokens":40,"output_tokens":5, "x_extra":1e3}}\r\n'
)
ODD_COMPLETION = (
    b'{ "id":"x1",\r\n\t"object" : "text_completion", "x_new": {"b":1,"a":[ 1,2 ]}, "created":1,"model":"m","choices":[ {"index":0,'
    b'"text":"h\\u00e9llo \\/ ok","logprobs":{"tokens":[ "x" ]},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45, "x_extra":1e3}}\r\n'
)
# A comment before the first event is not here: until an answer has begun the hub passes nothing on, because it may still go elsewhere.
ODD_CHAT_EVENTS = (
    b'data:{"id":"x1","x_new" : [ ],"choices":[{"index":0,"delta":{"content":"a"}}]}\r\n\r\n: hello\r\n\r\n'
    b'id: 7\r\nretry:3\r\ndata: {"choices":[{"index":0,"delta":{"content":"b","x":1},\r\ndata:"finish_reason":"stop"}]}\r\n\r\n'
    b'data: {"x_unknown":true}\n\ndata: { "choices":[],"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45} }\r\n\r\n'
    b"data: [DONE]\r\n\r\n"
)
ODD_MESSAGE_EVENTS = (
    b'event:message_start\r\ndata: {"type":"message_start","x_new" : [ ],"message":{"id":"x1","type":"message",'
    b'"role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":40,"output_tokens":1}}}\r\n\r\n'
    b': hello\r\n\r\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: x_unknown\r\ndata: {"type":"x_unknown","v":[ 1 ]}\r\n\r\nevent: ping\r\ndata: {"type": "ping"}\r\n\r\n'
    b'event: content_block_delta\r\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\r\n\r\n'
    b'event: content_block_stop\r\ndata: {"type":"content_block_stop","index":0}\r\n\r\n'
    b'event: message_delta\r\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}\r\n\r\n'
    b'event: message_stop\r\ndata: {"type":"message_stop" }\r\n\r\n'
)
ODD_RESPONSE_EVENTS = (
    b'event:response.created\r\ndata: {"type":"response.created","response":{"id":"x1","x_new" : [ ],"error":null},"sequence_number":0}\r\n\r\n'
    b'event: x_unknown\r\ndata: {"type":"x_unknown","v":[ 1 ]}\r\n\r\n: hello\r\n\r\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"a","obfuscation":"x9"}\n\n'
    b'id: 7\r\nretry:3\r\nevent: response.custom_tool_call_input.delta\r\n'
    b'data: {"type":"response.custom_tool_call_input.delta",\r\ndata:"delta":"b"}\r\n\r\n'
    b'event: response.completed\r\ndata: {"type":"response.completed","response":{"status":"completed","output":[ ],'
    b'"usage":{"input_tokens":40,"output_tokens":5}} }\r\n\r\n'
)
ODD_COMPLETION_EVENTS = (
    b'data:{"id":"x1","x_new" : [ ],"choices":[{"index":0,"text":"a"}]}\r\n\r\n: hello\r\n\r\n'
    b'id: 7\r\nretry:3\r\ndata: {"choices":[{"index":0,"text":"b","x":1,\r\ndata:"finish_reason":"stop"}]}\r\n\r\n'
    b'data: { "choices":[],"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45} }\r\n\r\n'
    b"data: [DONE]\r\n\r\n"
)
ODD = {
    "chat": (ODD_CHAT, ODD_CHAT_EVENTS),
    "messages": (ODD_MESSAGE, ODD_MESSAGE_EVENTS),
    "responses": (ODD_RESPONSE, ODD_RESPONSE_EVENTS),
    "completions": (ODD_COMPLETION, ODD_COMPLETION_EVENTS),
}


class Provider(ThreadingHTTPServer):
    """The running server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A hub that hangs up is no error."""


class Handler(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/heard":
            heard = [{"wire": wire, "body": body, "version": version} for wire, body, version in self.server.heard]
            return self.whole(200, heard)
        self.whole(404, {"error": {"message": "nothing here", "type": "not_found_error", "code": None}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        wire = PATHS[self.path]
        self.server.heard.append((wire, body, self.headers.get("anthropic-version")))
        error = self.objection(wire, body)
        if error:
            return self.refuse(wire, 400, "invalid_request_error", error)
        text = json.dumps(asked(wire, body))
        if "overloaded" in text:
            return self.refuse(wire, 529, "overloaded_error", "inner words")
        if "too fast" in text:
            return self.refuse(wire, 429, "rate_limit_error", "slow down", {"retry-after": "1"})
        if "stall" in text:
            time.sleep(6)
            return self.close()
        if "patience" in text:
            time.sleep(1.5)
        if "odd bytes" in text:
            return self.odd(wire, body.get("stream"))
        if body.get("stream"):
            return self.stream(wire, body, text)
        if wire == "completions":
            return self.whole(200, completion(body))
        if wire == "responses" and calls_for(body, text):
            return self.whole(200, response(body["model"], list(call_items())))
        said = '{"answer": 42}' if "as JSON" in text else "".join(WORDS)
        return self.whole(200, whole(wire, body["model"], said))

    def objection(self, wire, body):
        """What the real provider would refuse."""
        for field in FOREIGN[wire]:
            if field in body:
                return f"{field}: Extra inputs are not permitted"
        if wire == "messages":
            version = self.headers.get("anthropic-version")
            if version not in ("2023-06-01", "2026-10-21"):
                return "anthropic-version: header is required"
            if "max_tokens" not in body:
                return "max_tokens: Field required"
            if version == "2026-10-21" and any(field in body for field in SAMPLING):
                return "temperature is not supported"
        if wire == "responses":
            return responses_objection(body)
        if wire == "completions":
            return None if "prompt" in body and "max_tokens" in body else "prompt, max_tokens: Field required"
        for message in body["messages"]:
            if wire == "messages" and message["role"] not in ("user", "assistant"):
                return f"messages: unexpected role {message['role']}"
            for part in message["content"] if isinstance(message["content"], list) else ():
                if part["type"] not in PARTS[wire]:
                    return f"messages: unexpected part {part['type']}"
        return None

    def refuse(self, wire, status, kind, message, headers=()):
        error = {"type": kind, "message": message} | ({"param": None, "code": None} if wire != "messages" else {})
        self.whole(status, {"error": error} | ({"type": "error"} if wire == "messages" else {}), headers)

    def whole(self, status, body, headers=()):
        self.bytes(status, "application/json", json.dumps(body).encode(), dict(headers))

    def bytes(self, status, kind, content, headers):
        self.send_response(status)
        for name, value in ({"content-type": kind, "content-length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def odd(self, wire, stream):
        whole, content = ODD[wire]
        if not stream:
            return self.bytes(200, "application/json", whole, {})
        self.begin()
        # In pieces that respect nothing: neither events, nor lines, nor characters.
        for at in range(0, len(content), 13):
            self.piece(content[at : at + 13])
        return self.wfile.write(b"0\r\n\r\n")

    def begin(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def stream(self, wire, body, text):
        """Usage is told again and again, and is cumulative; `break off` is an error in the middle."""
        self.begin()
        events = {
            "chat": chat_events, "messages": message_events, "completions": completion_events,
            "responses": call_events if calls_for(body, text) else response_events,
        }
        # Promises of an answer, and then none: the hub may still go elsewhere.
        broken = "at once" if "break at once" in text else "break off" in text
        for event in events[wire](broken):
            self.piece(event.encode())
            if "slowly" in text:
                time.sleep(0.15)
        self.wfile.write(b"0\r\n\r\n")

    def close(self):
        self.close_connection = True


def asked(wire, body):
    """The last thing the caller said."""
    if wire == "completions":
        return body["prompt"]
    list = body["input" if wire == "responses" else "messages"]
    return list if isinstance(list, str) else list[-1]


def responses_objection(body):
    """What a responses request must not have when its account belongs to many."""
    if body.get("store") is not False:
        return "store: this account must keep nothing"
    for field in KEPT:
        if body.get(field):
            return f"{field}: this account must keep nothing"
    if "include_usage" in (body.get("stream_options") or {}):
        return "stream_options: unexpected field include_usage"
    for item in body["input"] if isinstance(body["input"], list) else ():
        if item.get("type", "message") not in ITEMS:
            return f"input: unexpected item {item['type']}"
        for part in item["content"] if isinstance(item.get("content"), list) else ():
            if part["type"] not in PARTS["responses"]:
                return f"input: unexpected part {part['type']}"
    for tool in body.get("tools") or ():
        if "function" in tool:
            return "tools: functions are flat here"
    return None


def calls_for(body, text):
    return bool(body.get("tools")) and "weather in both" in text


def whole(wire, model, said):
    """An answer in one piece."""
    if wire == "responses":
        return response(model, [message_item(said)])
    if wire == "messages":
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": said}],
            "usage": {"input_tokens": PROMPT, "output_tokens": len(WORDS)},
        }
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": chat_usage(len(WORDS))}


def response(model, output, status="completed"):
    usage = {
        "input_tokens": PROMPT, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": len(WORDS),
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": PROMPT + len(WORDS),
    }
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": None, "incomplete_details": None,
        "model": model, "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "store": False,
        "usage": usage if status == "completed" else None,
    }


def message_item(said, status="completed"):
    content = [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}] if said else []
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def call_items():
    yield {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Two cities."}], "encrypted_content": "gAAA"}
    for call, arguments in CALLS:
        about = {"id": f"fc_{call}", "type": "function_call", "call_id": call, "name": "get_weather", "status": "completed"}
        yield about | {"arguments": json.dumps(arguments)}


def completion(body):
    """Every answer to every prompt of an old completion, in one piece."""
    prompts = body["prompt"] if isinstance(body["prompt"], list) and not isinstance(body["prompt"][0], int) else [body["prompt"]]
    choices = []
    for prompt in prompts:
        for _ in range(body.get("n") or 1):
            echo = str(prompt) if body.get("echo") else ""
            logprobs = {"tokens": WORDS} if body.get("logprobs") else None
            choices.append({"index": len(choices), "text": echo + "".join(WORDS), "logprobs": logprobs, "finish_reason": "stop"})
    usage = chat_usage(len(WORDS) * len(choices))
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"], "choices": choices, "usage": usage}


def completion_events(broken):
    def event(**fields):
        about = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
        return f"data: {json.dumps(about | fields)}\n\n"

    for number, word in enumerate(WORDS):
        if broken and number == 3:
            yield 'data: {"error":{"message":"inner words","type":"server_error","param":null,"code":null}}\n\n'
            return
        yield event(choices=[{"index": 0, "text": word, "logprobs": None, "finish_reason": None}])
    yield event(choices=[{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}])
    yield event(choices=[], usage=chat_usage(len(WORDS)))
    yield "data: [DONE]\n\n"


def numbered():
    """Writes events with a name and a rising number."""
    number = 0

    def event(kind, **fields):
        nonlocal number
        number += 1
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number - 1} | fields)}\n\n"

    return event


def failure(event):
    error = {"code": "server_error", "message": "inner words"}
    return event("response.failed", response=response("m", [], "failed") | {"error": error})


def response_events(broken):
    event, said = numbered(), "".join(WORDS)
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    yield event("response.created", response=response("m", [], "in_progress"))
    yield event("response.in_progress", response=response("m", [], "in_progress"))
    if broken == "at once":
        yield failure(event)
        return
    yield event("response.output_item.added", output_index=0, item=message_item("", "in_progress"))
    yield event("response.content_part.added", part={"type": "output_text", "text": "", "annotations": []}, **at)
    for number, word in enumerate(WORDS):
        if broken and number == 3:
            yield failure(event)
            return
        yield event("response.output_text.delta", delta=word, logprobs=[], obfuscation="x9", **at)
    yield event("response.output_text.done", text=said, logprobs=[], **at)
    yield event("response.content_part.done", part=message_item(said)["content"][0], **at)
    yield event("response.output_item.done", output_index=0, item=message_item(said))
    yield event("response.completed", response=response("m", [message_item(said)]))


def call_events(_):
    """What the model thought, and two calls whose arguments come in turns."""
    event, items = numbered(), list(call_items())
    yield event("response.created", response=response("m", [], "in_progress"))
    for index, item in enumerate(items):
        begun = item | ({"arguments": "", "status": "in_progress"} if index else {"summary": [], "encrypted_content": None})
        yield event("response.output_item.added", output_index=index, item=begun)
    for half in (0, 1):
        for index, item in enumerate(items[1:], 1):
            middle = len(item["arguments"]) // 2
            piece = item["arguments"][middle:] if half else item["arguments"][:middle]
            yield event("response.function_call_arguments.delta", item_id=item["id"], output_index=index, delta=piece)
    for index, item in enumerate(items):
        if index:
            yield event(
                "response.function_call_arguments.done", item_id=item["id"], output_index=index, name=item["name"], arguments=item["arguments"]
            )
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=response("m", items))


def chat_usage(completion):
    return {"prompt_tokens": PROMPT, "completion_tokens": completion, "total_tokens": PROMPT + completion}


def chat_events(broken):
    def event(**fields):
        about = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return f"data: {json.dumps(about | fields)}\n\n"

    for number, word in enumerate(WORDS):
        if broken and number == 3:
            yield 'data: {"error":{"message":"inner words","type":"server_error","param":null,"code":null}}\n\n'
            return
        usage = {} if broken else {"usage": chat_usage(number + 1)}
        yield event(choices=[{"index": 0, "delta": {"content": word}, "finish_reason": None}], **usage)
    yield event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=chat_usage(len(WORDS)))
    yield "data: [DONE]\n\n"


def message_events(broken):
    def event(kind, **fields):
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n"

    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": PROMPT, "output_tokens": 1},
    }
    yield event("message_start", message=message)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for number, word in enumerate(WORDS):
        if broken and number == 3:
            yield event("error", error={"type": "overloaded_error", "message": "inner words"})
            return
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        if number == 2:
            yield event("message_delta", delta={"stop_reason": None, "stop_sequence": None}, usage={"output_tokens": 3})
    yield event("content_block_stop", index=0)
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"input_tokens": PROMPT, "output_tokens": len(WORDS)})
    yield event("message_stop")


if __name__ == "__main__":
    print(json.dumps({"url": Provider().url}), flush=True)
    sys.stdin.read()

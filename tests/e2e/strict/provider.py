"""A strict provider in both wires: refuses what the real ones refuse, and does what scripted servers do not.

What it does is chosen by a word in the last message. It keeps every body it was sent, and writes its answers byte by byte.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["One ", "two ", "three ", "four ", "five."]
PROMPT = 40
SAMPLING = ("temperature", "top_p", "top_k")
# Fields the wires do not have; real servers refuse what they do not know.
FOREIGN = {
    "messages": ("response_format", "max_completion_tokens", "stream_options", "stop", "n"),
    "chat": ("output_config", "system", "stop_sequences", "thinking", "anthropic_version"),
}
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
        self.whole(404, {"error": {"message": "nothing here", "type": "not_found_error", "code": None}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        wire = "messages" if self.path == "/v1/messages" else "chat"
        self.server.heard.append((wire, body, self.headers.get("anthropic-version")))
        error = self.objection(wire, body)
        if error:
            return self.refuse(wire, 400, "invalid_request_error", error)
        text = json.dumps(body["messages"][-1])
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
            return self.stream(wire, text)
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
        kinds = {"messages": ("text", "image", "tool_use", "tool_result"), "chat": ("text", "image_url")}[wire]
        for message in body["messages"]:
            if wire == "messages" and message["role"] not in ("user", "assistant"):
                return f"messages: unexpected role {message['role']}"
            for part in message["content"] if isinstance(message["content"], list) else ():
                if part["type"] not in kinds:
                    return f"messages: unexpected part {part['type']}"
        return None

    def refuse(self, wire, status, kind, message, headers=()):
        error = {"type": kind, "message": message} | ({"param": None, "code": None} if wire == "chat" else {})
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
        if not stream:
            return self.bytes(200, "application/json", ODD_CHAT if wire == "chat" else ODD_MESSAGE, {})
        self.begin()
        content = ODD_CHAT_EVENTS if wire == "chat" else ODD_MESSAGE_EVENTS
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

    def stream(self, wire, text):
        """Usage is told again and again, and is cumulative; `break off` is an error in the middle."""
        self.begin()
        events = chat_events if wire == "chat" else message_events
        for number, event in enumerate(events("break off" in text)):
            self.piece(event.encode())
            if "slowly" in text:
                time.sleep(0.15)
        self.wfile.write(b"0\r\n\r\n")

    def close(self):
        self.close_connection = True


def whole(wire, model, said):
    """An answer in one piece."""
    if wire == "messages":
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": said}],
            "usage": {"input_tokens": PROMPT, "output_tokens": len(WORDS)},
        }
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": chat_usage(len(WORDS))}


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

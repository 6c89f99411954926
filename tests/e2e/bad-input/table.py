"""The table: one line per bad request, with the answer it must get."""

import json

# (name, method, path, who, headers, body, status, code)
# who: "" nobody, "key" a member's API key, "token" a member's access token, "admin" an administrator's access token.
JSON = (("Content-Type", "application/json"),)
VALIDATION = (400, "VALIDATION_ERROR")
AUTHENTICATION = (401, "AUTHENTICATION_ERROR")
FORBIDDEN = (403, "FORBIDDEN")
NOT_FOUND = (404, "NOT_FOUND")
NO_MODEL = (404, "MODEL_NOT_FOUND")
NO_METHOD = (405, "METHOD_NOT_ALLOWED")
MEDIA_TYPE = (415, "UNSUPPORTED_MEDIA_TYPE")

NOBODY = "01890000-0000-7000-8000-000000000000"
DEEP = b"[" * 20_000 + b"]" * 20_000


def encode(body):
    """JSON, unless it is bytes already."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def post(name, path, who, body, answer, headers=JSON):
    return (name, "POST", path, who, headers, encode(body), *answer)


def get(name, path, who, answer, headers=()):
    return (name, "GET", path, who, headers, b"", *answer)


def lines(member, other):
    """All lines; `member` and `other` are ids of accounts."""
    return [*sign_in(), *chat(), *protocol(), *money(member), *reading(other), *keys(), *addresses()]


def sign_in():
    path, good = "/api/auth/login", {"email": "a@example.com", "password": "Wrong-pass-1!"}
    text = encode(good)
    bodies = {
        "no body": b"",
        "half a JSON object": text[:-5],
        "two JSON objects": text + text,
        "a JSON list": [good],
        "a JSON string": "hello",
        "null": b"null",
        "an unknown field": good | {"admin": True},
        "a field twice": text[:-1] + b', "email": "b@example.com"}',
        "a missing field": {"email": "a@example.com"},
        "a number for a text": good | {"password": 5},
        "an object for a text": good | {"email": {"$ne": ""}},
        "no address": good | {"email": "nobody"},
        "an unknown word of an enum": good | {"session": "pocket"},
        "an escaped NUL": good | {"password": "a\0b"},
        "a raw NUL": b'{"email":"a@example.com","password":"a\0b"}',
        "no UTF-8": b'{"email":"a@example.com","password":"\xff\xfe"}',
        "a lone surrogate": b'{"email":"a@example.com","password":"\\ud800"}',
        "deep nesting": b'{"email":"a@example.com","password":' + DEEP + b"}",
        "a password of 129 characters": good | {"password": "x" * 129},
    }
    for name, body in bodies.items():
        yield post(f"sign-in with {name}", path, "", body, VALIDATION)
    yield post("sign-in with a wrong password", path, "", good, AUTHENTICATION)
    types = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "")
    for kind in types:
        header = (("Content-Type", kind),) if kind else ()
        yield post(f"sign-in as {kind or 'nothing named'}", path, "", good, MEDIA_TYPE, header)
    yield post("registration with a weak password", "/api/auth/register", "",
               {"email": "w@example.com", "password": "12345678"}, VALIDATION)
    yield post("a refresh token that is none", "/api/auth/refresh", "", {"refreshToken": "x" * 40}, AUTHENTICATION)
    yield post("a refresh token that is absurd", "/api/auth/refresh", "", {"refreshToken": "é" * 8_000}, AUTHENTICATION)
    yield post("a reset link that is none", "/api/auth/reset-password", "",
               {"token": "x" * 43, "password": "Strong-pass-123!"}, VALIDATION)
    yield post("a code that is none", "/api/auth/verify-email", "", {"email": "a@example.com", "code": "000000"}, VALIDATION)
    yield post("a code and a link at once", "/api/auth/verify-email", "",
               {"email": "a@example.com", "code": "000000", "token": "x"}, VALIDATION)


def chat():
    path = "/v1/chat/completions"
    good = {"model": "sandbox", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    text = encode(good)
    bodies = {
        "no body": b"",
        "half a JSON object": text[:-5],
        "a JSON list": [good],
        "deep nesting in a message": b'{"model":"sandbox","messages":[{"role":"user","content":' + DEEP * 10 + b"}]}",
        "deep nesting in an unknown field": text[:-1] + b',"x":' + DEEP * 10 + b"}",
        "a field twice": text[:-1] + b',"model":"sandbox"}',
        "no UTF-8": text.replace(b"hi", b"\xc3\x28"),
        "no model": {"messages": good["messages"]},
        "a number as model": good | {"model": 5},
        "an empty model": good | {"model": ""},
        "a model of 10 000 characters": good | {"model": "m" * 10_000},
        "no messages": {"model": "sandbox"},
        "an empty list of messages": good | {"messages": []},
        "a text for messages": good | {"messages": "hi"},
        "a message that is a number": good | {"messages": [5]},
        "an unknown role": good | {"messages": [{"role": "emperor", "content": "hi"}]},
        "a content that is a number": good | {"messages": [{"role": "user", "content": 5}]},
        "a text for stream": good | {"stream": "yes"},
        "a number for stream_options": good | {"stream": True, "stream_options": 1},
        "n = 0": good | {"n": 0},
        "n = 1 000 000": good | {"n": 1_000_000},
        "max_tokens 0": good | {"max_tokens": 0},
        "max_tokens below 0": good | {"max_tokens": -1},
        "max_tokens as text": good | {"max_tokens": "5"},
        "max_tokens 1e400": text.replace(b"5}", b"1e400}"),
        "max_tokens NaN": text.replace(b"5}", b"NaN}"),
        "max_tokens 1.5": good | {"max_tokens": 1.5},
        "max_tokens beyond 64 bits": good | {"max_tokens": 2**64},
    }
    for name, body in bodies.items():
        yield post(f"chat with {name}", path, "key", body, VALIDATION)
    for name in ("no-such-model", "sandbox\0", "../sandbox", "SANDBOX", "gpt-4o-mini"):
        yield post(f"chat with the model {name!r}", path, "key", good | {"model": name}, NO_MODEL)
    yield post("chat for more than the account has", path, "key",
               good | {"n": 128, "messages": [{"role": "user", "content": "sandbox:words=20000"}], "max_tokens": 20_000},
               (402, "INSUFFICIENT_CREDITS"))
    yield post("chat as text/plain", path, "key", good, MEDIA_TYPE, (("Content-Type", "text/plain"),))
    yield post("chat without a content type", path, "key", good, MEDIA_TYPE, ())
    yield get("a model that is not there", "/v1/models/no-such-model", "key", NO_MODEL)
    yield get("a model with a NUL", "/v1/models/a%00b", "key", VALIDATION)


def protocol():
    path = "/api/mcp/chat"
    good = {"id": "1", "type": "chat", "model": "sandbox", "messages": [{"role": "user", "content": "hi"}]}
    changes = {
        "an unknown field": {"userId": "somebody"},
        "an unknown type": {"type": "poem"},
        "an unknown provider": {"provider": "acme"},
        "a number as id": {"id": 5},
        "an empty id": {"id": ""},
        "a long id": {"id": "x" * 129},
        "an unknown role": {"messages": [{"role": "tool", "content": "hi"}]},
        "an unknown field in a message": {"messages": [{"role": "user", "content": "hi", "x": 1}]},
        "a prompt beside messages": {"prompt": "hi"},
        "no messages": {"messages": None},
        "a NUL": {"messages": [{"role": "user", "content": "a\0b"}]},
    }
    for name, change in changes.items():
        yield post(f"the spec's protocol with {name}", path, "key", good | change, VALIDATION)
    yield post("the spec's protocol with an unknown model", path, "key", good | {"model": "none"}, NO_MODEL)
    yield get("a socket without an upgrade", "/api/ws", "key", (426, "UPGRADE_REQUIRED"))
    upgrade = (("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    yield get("a socket from a foreign page", "/api/ws", "key", FORBIDDEN, (*upgrade, ("Origin", "http://evil.example")))


def money(member):
    good = {"userId": member, "amount": 1, "reason": "e2e"}
    text = encode(good)
    bodies = {
        "nothing": {},
        "an unknown field": good | {"currency": "credits"},
        "no amount": {"userId": member, "reason": "e2e"},
        "amount null": good | {"amount": None},
        "amount 0": good | {"amount": 0},
        "an amount below 0": good | {"amount": -5},
        "an amount of 7 digits after the point": good | {"amount": 1.0000001},
        "an amount beyond all credits": good | {"amount": 10**18},
        "an amount beyond 64 bits": good | {"amount": 10**30},
        "amount 1e400": text.replace(b'"amount": 1', b'"amount": 1e400'),
        "amount NaN": text.replace(b'"amount": 1', b'"amount": NaN'),
        "amount Infinity": text.replace(b'"amount": 1', b'"amount": -Infinity'),
        "an amount as words": good | {"amount": "much"},
        "an amount as a list": good | {"amount": [1]},
        "amount true": good | {"amount": True},
        "no UUID": good | {"userId": "1 OR 1=1"},
        "an empty reason": good | {"reason": ""},
        "a long reason": good | {"reason": "x" * 201},
        "a NUL in the reason": good | {"reason": "a\0b"},
    }
    for where in ("deduct", "grant"):
        path = f"/api/credits/{where}"
        for name, body in bodies.items():
            yield post(f"{where} with {name}", path, "admin", body, VALIDATION)
        yield post(f"{where} by a member", path, "token", good, FORBIDDEN)
        yield post(f"{where} by a member's key", path, "key", good, FORBIDDEN)
        yield post(f"{where} by nobody", path, "", good, AUTHENTICATION)
        yield post(f"{where} for nobody", path, "admin", good | {"userId": NOBODY}, NOT_FOUND)
        for name, key in {"long": "k" * 256, "blank": " ", "not ASCII": "ü"}.items():
            yield post(f"{where} with a {name} Idempotency-Key", path, "admin", good, VALIDATION,
                       (*JSON, ("Idempotency-Key", key)))
        yield post(f"{where} with two Idempotency-Keys", path, "admin", good, VALIDATION,
                   (*JSON, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")))
    path = "/api/credits/deduct"
    yield post("deduct more than there is", path, "admin", good | {"amount": 999_999_999}, (402, "INSUFFICIENT_CREDITS"))
    yield post("deduct with metadata that is a list", path, "admin", good | {"metadata": [1]}, VALIDATION)
    yield post("deduct with metadata of 20 KB", path, "admin", good | {"metadata": {"x": "y" * 20_000}}, VALIDATION)
    yield post("deduct with deep metadata", path, "admin", text[:-1] + b',"metadata":{"x":' + DEEP + b"}}", VALIDATION)


def reading(other):
    bad = ("limit=0", "limit=101", "limit=-1", "limit=ten", "limit=99999999999999999999", "limit=", "cursor=junk",
           "cursor=%00", "offset=-1", "offset=1&cursor=junk", "kind=robbery", "userId=me")
    for query in bad:
        yield get(f"transactions?{query}", f"/api/credits/transactions?{query}", "key", VALIDATION)
    yield get("somebody else's balance", f"/api/credits/balance?userId={other}", "key", NOT_FOUND)
    yield get("somebody else's transactions", f"/api/credits/transactions?userId={other}", "key", NOT_FOUND)
    yield get("a receipt that is no id", "/api/credits/receipts/1", "key", VALIDATION)
    yield get("a receipt that is not there", f"/api/credits/receipts/{NOBODY}", "key", NOT_FOUND)
    yield get("the ledger check by a member", "/api/admin/ledger", "token", FORBIDDEN)


def keys():
    bodies = {
        "no name": {},
        "an empty name": {"name": ""},
        "a long name": {"name": "x" * 101},
        "an unknown field": {"name": "x", "owner": "me"},
        "an unknown scope": {"name": "x", "scopes": ["everything"]},
        "a scope the member lacks": {"name": "x", "scopes": ["credits:grant"]},
        "an end in the past": {"name": "x", "expiresAt": "2001-01-01T00:00:00Z"},
        "an end that is no time": {"name": "x", "expiresAt": "tomorrow"},
        "an address that is none": {"name": "x", "addresses": ["300.1.1.1"]},
        "models as a text": {"name": "x", "models": "sandbox"},
        "a NUL in the name": {"name": "a\0b"},
    }
    for name, body in bodies.items():
        yield post(f"a key with {name}", "/api/keys", "token", body, VALIDATION)
    yield post("a key made by a key", "/api/keys", "key", {"name": "x"}, FORBIDDEN)
    yield ("a key that is no id, revoked", "DELETE", "/api/keys/1", "token", (), b"", *VALIDATION)
    yield ("a key that is not there, revoked", "DELETE", f"/api/keys/{NOBODY}", "token", (), b"", *NOT_FOUND)


def addresses():
    for path in ("/api/nothing", "/v1/nothing", "/api", "/v1", "/api/credits", "/api/credits/balance/",
                 "/api//credits/balance", "/api/credits/../admin/ledger", "/api/credits/%2e%2e/admin/ledger", "/v1/chat/completions/x"):
        yield get(f"GET {path}", path, "key", NOT_FOUND)
    for method, path in (("GET", "/api/auth/login"), ("DELETE", "/v1/chat/completions"), ("PUT", "/api/credits/balance"),
                         ("GET", "/v1/chat/completions"), ("PATCH", "/api/credits/grant"), ("TRACE", "/v1/models"),
                         ("BREW", "/v1/models")):
        yield (f"{method} {path}", method, path, "key", (), b"", *NO_METHOD)
    yield get("an address of 9 KB", f"/v1/models?{'x' * 9_000}", "key", (414, "URI_TOO_LONG"))
    yield get("40 KB of headers", "/v1/models", "key", (431, "HEADERS_TOO_LARGE"),
              tuple((f"X-{n}", "y" * 1_000) for n in range(40)))
    yield get("two Host headers", "/v1/models", "key", VALIDATION, (("Host", "evil.example"),))

"""Credentials that must not count: forged, altered, expired, revoked, doubled."""

import base64
import hashlib
import hmac
import json
import time

from wire import exchange, request

SECRETS = ("", "secret", "change-me", "0" * 32)


def worthless(member, other, token, refresh):
    """`(name, headers)` of credentials that were never good."""
    key = member.key
    altered = key[:-1] + ("A" if key[-1] != "A" else "B")
    head, claims, signature = token.split(".")
    admin = decode(claims) | {"roles": ["admin"], "permissions": ["credits:grant"]}
    bearers = {
        "no credential": None,
        "an unknown key": "sk_" + "A" * 43,
        "a key with another last letter": altered,
        "a key without its last letter": key[:-1],
        "a key with a space in it": key[:9] + " " + key[9:],
        "a key of 20 KB": "sk_" + "A" * 20_000,
        "words": "let me in",
        "half a token": f"{head}.{claims}",
        "a token with altered claims": f"{head}.{encode(admin)}.{signature}",
        "a token with another signature": f"{head}.{claims}.{signature[::-1]}",
        "a token without signature": f"{head}.{claims}.",
        "an unsigned token (alg none)": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(admin)}.",
        "an unsigned token (alg None, our kid)": f"{encode(decode(head) | {'alg': 'None'})}.{claims}.",
        "a refresh token": refresh,
    }
    for secret in SECRETS:
        bearers[f"a token signed with {secret!r}"] = sign(decode(head), admin, secret)
    for name, value in bearers.items():
        yield name, () if value is None else (("Authorization", f"Bearer {value}"),)
    yield "Basic", (("Authorization", "Basic " + base64.b64encode(b"admin:admin").decode()),)
    yield "a key without a scheme", (("Authorization", key),)
    yield "an empty Bearer", (("Authorization", "Bearer "),)
    yield "two keys", (("Authorization", f"Bearer {key}"), ("x-api-key", other.key))
    yield "two Authorization headers", (("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {other.key}"))
    yield "a key in a cookie", (("Cookie", f"access_token={key}"),)


def login(address, email, password):
    """Signs in: the answer's body."""
    body = json.dumps({"email": email, "password": password}).encode()
    answer = exchange(address, request(address, "POST", "/api/auth/login", JSON, body))
    if answer.status != 200:
        raise AssertionError(f"sign-in: {answer.status} {answer.body!r}")
    return answer.json()


def make_key(address, token, **fields):
    """A key by the API: the answer's body."""
    body = json.dumps({"name": "e2e"} | fields).encode()
    answer = exchange(address, request(address, "POST", "/api/keys", (*JSON, bearer(token)), body))
    if answer.status != 201:
        raise AssertionError(f"making a key: {answer.status} {answer.body!r}")
    return answer.json()


def soon(seconds):
    """A time so far ahead, as the API takes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def bearer(value):
    return ("Authorization", f"Bearer {value}")


def encode(value):
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def sign(head, claims, secret):
    """A token as somebody would make it who guesses the secret."""
    text = f"{encode(head)}.{encode(claims)}"
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


JSON = (("Content-Type", "application/json"),)

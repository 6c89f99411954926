"""Requests that no honest client sends. Each must get the documented error, in the envelope of its wire, with a request id;
nothing may be answered 500, and nothing may be left behind."""

import concurrent.futures
import datetime
import json
import secrets
import socket
import time

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, verify

import table
from credentials import JSON, bearer, login, make_key, soon, worthless
from wire import chunked, exchange, read, request, zeros

ADMIN_PASSWORD = "Admin-pass-123!"
ACCESS_SECONDS = 30
# The hub grants clocks that differ a few seconds; a key or session that was revoked may act for two more.
LEEWAY_SECONDS = 6
REVOKED_WITHIN = 2.0
HEADER_TIMEOUT_SECONDS = 2
MIB = 1024 * 1024


class Suite:
    """The checks on one pair."""

    def __init__(self, checks, pair, hub):
        self.checks, self.pair, self.hub, self.address = checks, pair, hub, hub.address
        self.member, self.other = Member(hub, credits=1), Member(hub, credits=1)
        self.admin = f"admin-{secrets.token_hex(4)}@example.com"
        hub.run("admin", "create-user", "--email", self.admin, "--password", ADMIN_PASSWORD, "--role", "admin")
        session = login(self.address, self.member.email, self.member.password)
        self.token, self.refresh, self.token_made = session["accessToken"], session["refreshToken"], time.monotonic()
        self.signed_in = {}

    def credential(self, who):
        """The headers that show who asks; access tokens are made anew long before they end."""
        if who in ("", "key"):
            return (bearer(self.member.key),) if who else ()
        token, made = self.signed_in.get(who, (None, float("-inf")))
        if time.monotonic() - made > ACCESS_SECONDS / 3:
            account = (self.admin, ADMIN_PASSWORD) if who == "admin" else (self.member.email, self.member.password)
            token = login(self.address, *account)["accessToken"]
            self.signed_in[who] = token, time.monotonic()
        return (bearer(token),)

    def case(self, name):
        return self.checks.case(f"{self.pair.name}: {name}")

    def run(self):
        self.short_lived = make_key(self.address, self.token, expiresAt=soon(3))["key"]
        short_lived_made = time.monotonic()
        with self.case("a key with an end works until then"):
            equal(self.models(self.short_lived).status, 200)
        for name, method, path, who, headers, body, status, code in table.lines(self.member.id, self.other.id):
            with self.case(name):
                headers = (*self.credential(who), *headers)
                self.refused(exchange(self.address, request(self.address, method, path, headers, body)), path, status, code)
        for name, headers in worthless(self.member, self.other, self.token, self.refresh):
            with self.case(f"credential: {name}"):
                for path in ("/v1/models", "/api/credits/balance"):
                    answer = exchange(self.address, request(self.address, "GET", path, headers))
                    self.refused(answer, path, 401, "AUTHENTICATION_ERROR")
                    equal(answer.headers.get("www-authenticate"), "Bearer", "WWW-Authenticate")
        self.details()
        self.large()
        self.malformed()
        self.idempotency()
        self.slow()
        self.revoked()
        with self.case("credential: a key past its end"):
            time.sleep(max(0.0, 4 - (time.monotonic() - short_lived_made)))
            self.refused(self.models(self.short_lived), "/v1/models", 401, "AUTHENTICATION_ERROR")
        with self.case("credential: an access token past its end"):
            time.sleep(max(0.0, self.token_made + ACCESS_SECONDS + LEEWAY_SECONDS - time.monotonic()))
            answer = exchange(self.address, request(self.address, "GET", "/api/auth/me", (bearer(self.token),)))
            self.refused(answer, "/api/auth/me", 401, "AUTHENTICATION_ERROR")
            self.refused(self.models(self.token), "/v1/models", 401, "AUTHENTICATION_ERROR")
        self.afterwards()

    def models(self, credential):
        return exchange(self.address, request(self.address, "GET", "/v1/models", (bearer(credential),)))

    def refused(self, answer, path, status, code):
        """The error's status, and its body as the wire of `path` has it."""
        equal(answer.status, status, f"status of {answer.body[:300]!r}")
        equal(answer.headers.get("content-type"), "application/json", "content type")
        error = answer.json()["error"]
        equal(error["code"], code, f"code of {error}")
        true(isinstance(error["message"], str) and error["message"], f"no message: {error}")
        equal(error["requestId"], answer.headers.get("x-request-id"), "request id")
        true(len(error["requestId"]) >= 16, f"request id {error['requestId']!r}")
        datetime.datetime.fromisoformat(error["timestamp"])
        if path.startswith("/v1"):
            true("param" in error and error["type"].endswith(("_error", "_quota")), f"not OpenAI's shape: {error}")
        else:
            allowed = {"code", "message", "details", "timestamp", "requestId"}
            true(set(error) <= allowed and set(answer.json()) == {"error"}, f"not the hub's shape: {answer.json()}")
        for leak in ("sqlx", "panick", "crates/", "hub_", "SELECT ", "stack"):
            true(leak not in answer.body.decode(), f"the error tells of our insides: {error}")

    def details(self):
        with self.case("a bad field is named, its value is not repeated"):
            fields = {"email": "a@example.com", "password": "hunter2-secret", "passwrod": "hunter2-secret"}
            body = json.dumps(fields).encode()
            answer = exchange(self.address, request(self.address, "POST", "/api/auth/login", JSON, body))
            self.refused(answer, "/api/auth/login", 400, "VALIDATION_ERROR")
            equal([entry["field"] for entry in answer.json()["error"]["details"]], ["passwrod"], "fields")
            true(b"hunter2" not in answer.body, "the password stands in the error")
        with self.case("405 says which methods there are"):
            answer = exchange(self.address, request(self.address, "GET", "/api/auth/login"))
            true("POST" in answer.headers.get("allow", ""), f"Allow: {answer.headers.get('allow')}")
        with self.case("an identity in a header, query or body is not believed"):
            path = "/api/credits/balance?access_token=x&user=y"
            headers = (bearer(self.member.key), ("X-User-Id", self.other.id), ("X-Forwarded-User", self.other.id))
            answer = exchange(self.address, request(self.address, "GET", path, headers))
            equal((answer.status, answer.json().get("userId")), (200, self.member.id), "whose balance")
        with self.case("a request id from outside is not believed"):
            headers = (bearer("sk_x"), ("X-Request-Id", "chosen-by-the-client"))
            answer = exchange(self.address, request(self.address, "GET", "/v1/models", headers))
            self.refused(answer, "/v1/models", 401, "AUTHENTICATION_ERROR")
            true(answer.headers["x-request-id"] != "chosen-by-the-client", "the id was taken over")

    def large(self):
        for path, size, who in (("/api/auth/login", 3, ""), ("/api/credits/deduct", 3, "admin"),
                                ("/v1/chat/completions", 64, "key"), ("/api/mcp/chat", 64, "key")):
            head = (*self.credential(who), *JSON)
            with self.case(f"{size} MB to {path}, announced"):
                opening = request(self.address, "POST", path, (*head, ("Content-Length", size * MIB)), length=False)
                answer = exchange(self.address, opening, b'{"x":"', *zeros(size * MIB))
                self.refused(answer, path, 413, "PAYLOAD_TOO_LARGE")
            with self.case(f"{size} MB to {path}, in chunks"):
                opening = request(self.address, "POST", path, (*head, ("Transfer-Encoding", "chunked")), length=False)
                answer = exchange(self.address, opening, b'6\r\n{"x":"\r\n', *chunked(zeros(size * MIB)))
                self.refused(answer, path, 413, "PAYLOAD_TOO_LARGE")
            with self.case(f"{size} MB to {path}, announced with Expect, refused before it is sent"):
                headers = (*head, ("Content-Length", size * MIB), ("Expect", "100-continue"))
                answer = exchange(self.address, request(self.address, "POST", path, headers, length=False))
                self.refused(answer, path, 413, "PAYLOAD_TOO_LARGE")

    def malformed(self):
        """What the HTTP parser itself refuses: a bare 4xx is enough, and the connection must end."""
        good = request(self.address, "GET", "/v1/models", self.credential("key"))
        bad = {
            "no HTTP": b"GARBAGE\r\n\r\n",
            "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
            "two lengths": good[:-2] + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n1234567",
            "a length below zero": good[:-2] + b"Content-Length: -1\r\n\r\n",
            "a space before the colon": good[:-2] + b"X-A : b\r\n\r\n",
            "a NUL in a header": good[:-2] + b"X-A: b\0c\r\n\r\n",
            "70 KB of headers": good[:-2] + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(70)) + b"\r\n",
            "300 headers": good[:-2] + b"".join(b"X-%d: y\r\n" % n for n in range(300)) + b"\r\n",
            "a broken chunk": request(self.address, "POST", "/api/auth/login",
                                      (*JSON, ("Transfer-Encoding", "chunked")), length=False) + b"zz\r\n{}\r\n0\r\n\r\n",
        }
        for name, data in bad.items():
            with self.case(f"malformed: {name}"):
                with socket.create_connection(self.address, timeout=10) as connection:
                    connection.sendall(data)
                    answer = read_or_end(connection)
                    true(answer is None or 400 <= answer.status < 500, f"answer {answer}")
                    # Nothing that follows may be taken for a request of its own.
                    try:
                        connection.sendall(good)
                        true(read_or_end(connection) is None, "the connection goes on")
                    except (BrokenPipeError, ConnectionResetError):
                        pass
        with self.case("malformed: no Host header"):
            answer = exchange(self.address, request(self.address, "GET", "/v1/models", self.credential("key"), host=False))
            self.refused(answer, "/v1/models", 400, "VALIDATION_ERROR")

    def idempotency(self):
        with self.case("the same Idempotency-Key with another body is a conflict and takes nothing"):
            def deduct(amount):
                body = json.dumps({"userId": self.other.id, "amount": amount, "reason": "e2e"}).encode()
                headers = (*self.credential("admin"), *JSON, ("Idempotency-Key", "e2e-1"))
                return exchange(self.address, request(self.address, "POST", "/api/credits/deduct", headers, body))

            first, again, other = deduct(0.25), deduct(0.25), deduct(0.5)
            equal((first.status, again.status, first.json()), (200, 200, again.json()), "the same request twice")
            self.refused(other, "/api/credits/deduct", 409, "IDEMPOTENCY_CONFLICT")
            equal(self.other.balance(self.hub), (750_000, 0), "balance")

    def slow(self):
        with self.case("headers that do not come, or come too slowly, end the connection"):
            silent = socket.create_connection(self.address, timeout=20)
            halting = socket.create_connection(self.address, timeout=20)
            begun = time.monotonic()
            with silent, halting:
                halting.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                halting.settimeout(0.2)
                ended = None
                while ended is None and time.monotonic() - begun < 10:
                    try:
                        halting.sendall(b"y")
                        ended = read_or_end(halting) is None or None
                    except TimeoutError:
                        continue
                    except (BrokenPipeError, ConnectionResetError):
                        ended = True
                seconds = time.monotonic() - begun
                true(ended, "one byte now and then keeps the connection open")
                true(HEADER_TIMEOUT_SECONDS - 0.5 <= seconds <= HEADER_TIMEOUT_SECONDS + 3, f"ended after {seconds:.1f} s")
                true(read_or_end(silent) is None, "a silent connection got an answer")

    def revoked(self):
        with self.case("credential: a revoked key"):
            _, token = self.credential("token")[0]
            made = make_key(self.address, token.removeprefix("Bearer "))
            equal(self.models(made["key"]).status, 200, "before")
            path = f"/api/keys/{made['id']}"
            answer = exchange(self.address, request(self.address, "DELETE", path, self.credential("token")))
            equal(answer.status, 204, "revoking")
            self.ends(made["key"])
        with self.case("credential: an access token whose session was signed out"):
            session = login(self.address, self.other.email, self.other.password)
            equal(self.models(session["accessToken"]).status, 200, "before")
            body = json.dumps({"refreshToken": session["refreshToken"]}).encode()
            headers = (*JSON, bearer(session["accessToken"]))
            answer = exchange(self.address, request(self.address, "POST", "/api/auth/logout", headers, body))
            equal(answer.status, 204, "signing out")
            self.ends(session["accessToken"])
            body = json.dumps({"refreshToken": session["refreshToken"]}).encode()
            answer = exchange(self.address, request(self.address, "POST", "/api/auth/refresh", JSON, body))
            self.refused(answer, "/api/auth/refresh", 401, "AUTHENTICATION_ERROR")

    def ends(self, credential):
        """The credential stops working in time, and for good."""
        deadline = time.monotonic() + REVOKED_WITHIN
        while self.models(credential).status == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.refused(self.models(credential), "/v1/models", 401, "AUTHENTICATION_ERROR")

    def afterwards(self):
        with self.case("none of it left a charge, a hold, an error in the log or a broken hub"):
            equal(self.member.balance(self.hub), (1_000_000, 0), "the member's balance")
            messages = [{"role": "user", "content": "hi"}]
            body = json.dumps({"model": "sandbox", "messages": messages, "max_tokens": 5}).encode()
            path, headers = "/v1/chat/completions", (*self.credential("key"), *JSON)
            equal(exchange(self.address, request(self.address, "POST", path, headers, body)).status, 200, "a good call")
            verify(self.hub)
            equal(self.hub.panics(), [], "panics")
            equal(self.hub.errors(), [], "errors in the log")


def read_or_end(connection):
    """The next answer, or `None` when the other side closes without one."""
    try:
        return read(connection)
    except (ConnectionError, IndexError):
        return None


def run(checks, pair_of):
    """All checks on one pair."""
    settings = {
        "HUB__SESSIONS__ACCESS_SECONDS": str(ACCESS_SECONDS),
        "HUB__SERVER__HEADER_TIMEOUT_SECONDS": str(HEADER_TIMEOUT_SECONDS),
    }
    with pair_of(**settings) as pair:
        with checks.case(f"{pair.name}: the suite runs to its end"):
            hub = pair.hub().start()
            Suite(checks, pair, hub).run()
            equal(hub.stop(), 0, "exit code")


def main():
    checks = Checks()
    # Both pairs wait for the same token to expire: together.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for finished in [pool.submit(run, checks, pair_of) for pair_of in pairs.BOTH]:
            finished.result()
    checks.finish()


if __name__ == "__main__":
    main()

"""Credits bought from the real binary: sessions asked of a stand-in for Stripe's API, events signed by Stripe's own package."""

import contextlib
import http.client
import http.server
import json
import secrets
import threading
import time
from urllib.parse import parse_qsl

import stripe

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, verify

KEY, SECRET = "sk_test_e2e", "whsec_e2e_endpoint_secret"
PACKAGES = """
[[payments.packages]]
id = "small"
name = "500 credits"
credits = 500
price_minor = 1000
currency = "usd"
"""


@contextlib.contextmanager
def service():
    """A stand-in for the API: `(forms, url)`."""
    forms = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
            right = self.path == "/v1/checkout/sessions" and self.headers["authorization"] == f"Bearer {KEY}"
            forms.append(form | {"version": self.headers["stripe-version"], "key": self.headers["idempotency-key"]})
            self.answer(200 if right else 401, {
                "id": f"cs_test_{len(forms)}", "url": f"https://checkout.stripe.com/c/pay/cs_test_{len(forms)}",
                "client_reference_id": form["client_reference_id"], "currency": "usd",
                "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            })

        def do_GET(self):
            self.answer(200, {"object": "list", "data": [], "has_more": False})

        def answer(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield forms, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)


def call(hub, method, path, body=None, **headers):
    """One request: `(status, value)`."""
    connection = http.client.HTTPConnection(*hub.address, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def order(hub, member):
    """A new order: `(id, session)`."""
    headers = {"authorization": f"Bearer {member.key}", "content-type": "application/json"}
    status, opened = call(hub, "POST", "/api/credits/checkout", '{"packageId":"small"}', **headers)
    equal(status, 200, str(opened))
    return opened["orderId"], opened["url"].rsplit("/", 1)[1]


def event(kind, found):
    return {"id": f"evt_{secrets.token_hex(8)}", "object": "event", "api_version": stripe.api_version, "created": int(time.time()),
            "livemode": False, "type": kind, "data": {"object": found}}


def paid(order_id, session):
    return event("checkout.session.completed", {
        "id": session, "object": "checkout.session", "payment_status": "paid", "status": "complete", "amount_total": 1000,
        "currency": "usd", "payment_intent": session.replace("cs_", "pi_"), "client_reference_id": order_id,
    })


def signed(body, at=None, secret=SECRET):
    """The header as Stripe's package computes it, and proof that the package itself accepts it."""
    at = int(time.time()) if at is None else at
    tag = stripe.WebhookSignature._compute_signature(f"{at}.{body}", secret)
    header = f"t={at},v1={tag}"
    stripe.Webhook.construct_event(body, header, secret, tolerance=None)
    return header


def send(hub, body, header):
    return call(hub, "POST", "/api/webhooks/stripe", body, **{"stripe-signature": header, "content-type": "application/json"})[0]


def wait_for(hub, member, order_id, status, within=20.0):
    deadline = time.monotonic() + within
    while True:
        seen = member.get(hub, f"/api/credits/orders/{order_id}")["status"]
        if seen == status:
            return
        true(time.monotonic() < deadline, f"the order is {seen}, not {status}, after {within} s")
        time.sleep(0.1)


def top_up(checks, pair_of):
    with service() as (forms, url), pair_of(
        STRIPE_SECRET_KEY=KEY, STRIPE_WEBHOOK_SECRET=SECRET, HUB__STRIPE__BASE_URL=url
    ) as pair:
        case = lambda name: checks.case(f"{pair.name}: {name}")
        hub = pair.hub()
        hub.data_dir.mkdir(mode=0o700)
        (hub.data_dir / "hub.toml").write_text(PACKAGES)
        hub.start()
        ada = Member(hub)
        with case("a session is asked for with the version that the package speaks"):
            order_id, session = order(hub, ada)
            equal((forms[-1]["version"], forms[-1]["key"]), (stripe.api_version, order_id))
        with case("an event that the package signed gives the credits once"):
            bodies = [json.dumps(paid(order_id, session)), json.dumps(paid(order_id, session), indent=2, ensure_ascii=True)]
            for body in bodies * 3:
                equal(send(hub, body, signed(body)), 200, "status")
            wait_for(hub, ada, order_id, "paid")
            equal(ada.balance(hub)[0], 500_000_000, "balance")
        with case("what the package would refuse is refused"):
            body = json.dumps(paid(*order(hub, ada)))
            for header in [signed(body, at=int(time.time()) - 400), signed(body, secret="whsec_of_somebody_else"), signed(body + " ")]:
                with contextlib.suppress(stripe.SignatureVerificationError):
                    stripe.Webhook.construct_event(body, header, SECRET)
                    raise AssertionError("the package accepts it")
                equal(send(hub, body, header), 400, "status")
            equal(ada.balance(hub)[0], 500_000_000, "balance")
        with case("a refund takes the credits back"):
            charge = {"id": "ch_1", "payment_intent": session.replace("cs_", "pi_"), "amount_refunded": 1000, "currency": "usd"}
            body = json.dumps(event("charge.refunded", charge))
            equal(send(hub, body, signed(body)), 200, "status")
            wait_for(hub, ada, order_id, "refunded")
            equal(ada.balance(hub)[0], 0, "balance")
        with case("the ledger is clean, nothing was logged as an error, and no secret is in the log"):
            verify(hub)
            equal(hub.stop(), 0, "exit code")
            equal((hub.errors(), hub.panics()), ([], []))
            log = hub.log.read_text()
            true(KEY not in log and SECRET not in log, "a secret is in the log")


def main():
    checks = Checks()
    for pair_of in pairs.BOTH:
        with checks.case(f"{pair_of.__name__}: the suite runs to its end"):
            top_up(checks, pair_of)
    checks.finish()


if __name__ == "__main__":
    main()

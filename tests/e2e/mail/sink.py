"""Mail servers that share no code with the hub: aiosmtpd with and without TLS, and a stand-in for SendGrid's API."""

import asyncio
import contextlib
import email
import email.policy
import http.server
import json
import logging
import socket
import ssl
import threading
import time
import warnings

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

# It warns about what these checks do on purpose, such as a client that does not trust the server.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="aiosmtpd")

USER, PASSWORD = "hub", "p@ss/word:1"


class Sink:
    """What arrived, and what the server answers to each recipient."""

    def __init__(self):
        self.messages, self.answers, self.tries, self.secured, self.logins = [], [], 0, [], []
        self._arrived = threading.Condition()

    def take(self, message, secured=False):
        with self._arrived:
            self.messages.append(message)
            self.secured.append(secured)
            self._arrived.notify_all()

    def wait_for(self, address, number=1, within=30.0):
        """The newest mail to an address once there are so many."""
        def found():
            return [message for message in self.messages if message["To"] == address]
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(found()) >= number, within):
                raise AssertionError(f"{len(found())} of {number} mails to {address} within {within} s")
            return found()[-1]


class Handler:
    """The server's side of one sink."""

    def __init__(self, sink):
        self.sink = sink

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.sink.tries += 1
        if self.sink.answers:
            return self.sink.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        secured = session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None
        self.sink.take(message, secured)
        return "250 taken"


class Certificates:
    """An authority of this run and the context of a server at 127.0.0.1 that it vouches for."""

    def __init__(self, folder):
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)


@contextlib.contextmanager
def smtp(tls=None, implicit=False, login=False):
    """A mail server on a port of the system's choice: `(sink, port)`."""
    sink = Sink()

    def authenticate(server, session, envelope, mechanism, data):
        right = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        sink.logins.append(right)
        return AuthResult(success=right, handled=False)

    options = {"hostname": "sink", "enable_SMTPUTF8": True}
    if tls and not implicit:
        options |= {"tls_context": tls, "require_starttls": True}
    if login:
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": bool(tls) and not implicit}
    listening = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve():
        return await loop.create_server(
            lambda: SMTP(Handler(sink), loop=loop, **options), sock=listening, ssl=tls if implicit else None
        )

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield sink, listening.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextlib.contextmanager
def sendgrid(api_key):
    """A stand-in for the service: `(sink, url)`. Answers are statuses of the next requests; 202 without."""
    sink = Sink()

    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(200 if self.path == "/v3/scopes" and self.right() else 401, {"scopes": ["mail.send"]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            sink.tries += 1
            status = sink.answers.pop(0) if sink.answers else 202
            if self.path != "/v3/mail/send" or not self.right():
                status = 401
            if status == 202:
                sink.take(as_message(body))
            self.answer(status, None if status == 202 else {"errors": [{"message": "scripted", "field": "to"}]})

        def right(self):
            return self.headers.get("authorization") == f"Bearer {api_key}"

        def answer(self, status, body):
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def as_message(body):
    """A request to the service as the message it stands for."""
    message = email.message.EmailMessage()
    message["To"] = body["personalizations"][0]["to"][0]["email"]
    message["From"] = body["from"]["email"]
    message["Subject"] = body["subject"]
    parts = {part["type"]: part["value"] for part in body["content"]}
    message.set_content(parts["text/plain"])
    message.add_alternative(parts["text/html"], subtype="html")
    return message


def until(condition, what, within=30.0):
    """Waits for something that is looked at from outside."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}")
        time.sleep(0.1)

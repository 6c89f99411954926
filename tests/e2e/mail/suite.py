"""Mail leaves the hub through servers it shares no code with, and whoever gets it can use what is in it."""

import html.parser
import http.client
import json
import pathlib
import re
import secrets
import socket
import tempfile
from urllib.parse import quote

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true

import sink as sinks

FROM = "hub@example.com"
PUBLIC_URL = "https://hub.example.com"
SENDGRID_KEY = "SG.e2e-secret"
ADMIN = ("admin@example.com", "Admin-pass-123!")
SETTINGS = {"HUB__MAIL__FROM": FROM, "HUB__IDENTITY__PUBLIC_URL": PUBLIC_URL, "HUB__MAIL__TIMEOUT_SECONDS": "5"}


class Page(html.parser.HTMLParser):
    """What a reader of the HTML part sees, and everything it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.text, self.links, self.fetched = "", [], []
        self.feed(text)

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a":
            self.links.append(attrs.get("href"))
        self.fetched += [value for name, value in attrs.items() if name in ("src", "srcset", "background") or tag == "link"]


def call(hub, method, path, body=None, token=None, **headers):
    """One request: `(status, value)`."""
    connection = http.client.HTTPConnection(*hub.address, timeout=30)
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        if body is not None:
            headers["content-type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def expect(status, answer):
    equal(answer[0], status, f"status of {answer[1]}")
    return answer[1]


def register(hub, **headers):
    """Registers somebody new: `(address, password)`."""
    address, password = f"ada-{secrets.token_hex(5)}@example.org", f"Hx-{secrets.token_hex(8)}-qZ!"
    body = {"email": address, "password": password, "name": "Ada <b>L</b>"}
    expect(202, call(hub, "POST", "/api/auth/register", body, **headers))
    return address, password


def parts(message):
    """The plain text and the page."""
    plain, page = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return plain.replace("\r\n", "\n"), page


def finish(hub, sink, address, password, by="code"):
    """Registration from the mail to the first sign-in."""
    text, _ = parts(sink.wait_for(address))
    code = re.search(r"^(\d{6})$", text, re.MULTILINE)[1]
    token = re.search(r"/verify-email\?token=([\w-]+)", text)[1]
    proof = {"email": address, "code": code} if by == "code" else {"token": token}
    expect(200, call(hub, "POST", "/api/auth/verify-email", proof))
    return expect(200, call(hub, "POST", "/api/auth/login", {"email": address, "password": password}))


def admin_token(hub):
    hub.run("admin", "create-user", "--email", ADMIN[0], "--password", ADMIN[1], "--role", "admin")
    return expect(200, call(hub, "POST", "/api/auth/login", {"email": ADMIN[0], "password": ADMIN[1]}))["accessToken"]


def doctor(hub):
    """What the doctor says about mail."""
    found = hub.run("doctor", codes=(0, 1))["checks"]
    return {finding["check"]: finding for finding in found}["mail"]


def contents(case, hub, sink):
    with case("a mail is a complete message in two forms, and its links lead to the configured address only"):
        address, _ = register(hub, host="evil.example.net", **{"x-forwarded-host": "evil.example.net"})
        message = sink.wait_for(address)
        text, page = parts(message)
        equal((message["From"].addresses[0].addr_spec, message["To"]), (FROM, address))
        true(message["Subject"] and "123" not in message["Subject"], "a plain subject")
        equal(message.get_content_type(), "multipart/alternative")
        seen = Page(page)
        equal(seen.fetched, [], "what the page would fetch")
        equal(re.findall(r"https?://\S+", text), seen.links, "links of both forms")
        true(all(link.startswith(f"{PUBLIC_URL}/verify-email?token=") for link in seen.links), f"links: {seen.links}")
        true(re.search(r"^\d{6}$", text, re.MULTILINE)[0] in seen.text, "the code is in the page")
        true("evil" not in text + page and "Ada" not in text + page, "nothing that a stranger wrote")


def headers(case, hub, sink):
    with case("every message has an id and a date of its own"):
        first, second = (sink.wait_for(register(hub)[0]) for _ in range(2))
        true(first["Message-ID"] != second["Message-ID"] and first["Date"], f"{first['Message-ID']} {first['Date']}")
        true(first["Message-ID"].endswith("@example.com>"), first["Message-ID"])


def reset(case, hub, sink):
    with case("a forgotten password: one mail, one use, and a mail that tells of it"):
        address, password = register(hub)
        finish(hub, sink, address, password, by="link")
        expect(202, call(hub, "POST", "/api/auth/forgot-password", {"email": address}))
        text, _ = parts(sink.wait_for(address, 2))
        body = {"token": re.search(r"/reset-password\?token=([\w-]+)", text)[1], "password": f"New-{secrets.token_hex(8)}!"}
        expect(204, call(hub, "POST", "/api/auth/reset-password", body))
        equal(call(hub, "POST", "/api/auth/reset-password", body)[0] // 100, 4, "the second use")
        true("changed" in sink.wait_for(address, 3)["Subject"], "the notice")
        expect(200, call(hub, "POST", "/api/auth/login", {"email": address, "password": body["password"]}))


def refusals(case, hub, sink, temporary, permanent):
    with case("a mail not taken now is taken later"):
        sink.answers[:] = [temporary]
        address, password = register(hub)
        finish(hub, sink, address, password)
    with case("a mail refused for good is not tried again, and an administrator sees it"):
        token = admin_token(hub)
        before = sink.tries
        sink.answers[:] = [permanent]
        address, _ = register(hub)
        failed = lambda: expect(200, call(hub, "GET", "/api/admin/jobs", token=token))["jobs"]
        sinks.until(failed, "a failed job")
        job = failed()[0]
        equal((job["kind"], job["attempts"], job["status"]), ("mail.send", 1, "failed"))
        true("scripted" in job["lastError"], job["lastError"])
        true(address not in json.dumps(job), "what a job carries is not shown")
        # The next mail shows that the worker has gone on, past this one.
        finish(hub, sink, *register(hub))
        equal(sink.tries - before, 2, "mails tried")
        warned = {finding["check"]: finding["state"] for finding in hub.run("doctor", codes=(0, 1))["checks"]}
        equal(warned.get("jobs"), "warning", "the doctor's word")


def plain(checks, pair_of):
    with sinks.smtp() as (sink, port), pair_of(**SETTINGS, SMTP_URL=f"smtp://127.0.0.1:{port}") as pair:
        case = lambda name: checks.case(f"{pair.name}: smtp: {name}")
        hub = pair.hub().start()
        with case("from registration to sign-in"):
            true("accessToken" in finish(hub, sink, *register(hub)), "a token")
        contents(case, hub, sink)
        headers(case, hub, sink)
        reset(case, hub, sink)
        refusals(case, hub, sink, "450 4.2.0 scripted: later", "550 5.1.1 scripted: nobody here")
        with case("the doctor reaches the server"):
            equal(doctor(hub)["state"], "ok")
        with case("nothing was logged as an error, and no secret was logged at all"):
            equal(hub.errors(), [])
            log = hub.log.read_text(encoding="utf-8")
            for message in sink.messages:
                text, _ = parts(message)
                for secret in re.findall(r"token=([\w-]+)", text):
                    true(secret not in log, "a mailed secret is in the log")
        equal(hub.stop(), 0, "exit code")


def secured(checks, pair_of, certificates, implicit):
    name = "smtps" if implicit else "starttls"
    login = f"{quote(sinks.USER, safe='')}:{quote(sinks.PASSWORD, safe='')}@"
    with sinks.smtp(certificates.context, implicit, login=True) as (sink, port):
        url = f"smtps://{login}127.0.0.1:{port}" if implicit else f"smtp://{login}127.0.0.1:{port}?tls=required"
        trusting = SETTINGS | {"SMTP_URL": url, "SSL_CERT_FILE": str(certificates.authority)}
        with pair_of(**trusting) as pair:
            case = lambda what: checks.case(f"{pair.name}: {name}: {what}")
            hub = pair.hub().start()
            with case("from registration to sign-in, over TLS and with a password"):
                finish(hub, sink, *register(hub))
                equal((sink.secured, set(sink.logins)), ([True], {True}))
                equal(doctor(hub)["state"], "ok")
            with case("settings are shown without the password"):
                true(sinks.PASSWORD not in json.dumps(hub.run("config", "print")), "the password is shown")
                true(quote(sinks.PASSWORD, safe="") not in json.dumps(hub.run("config", "print")), "the password is shown")
            equal(hub.stop(), 0, "exit code")
            with case("a wrong password is found by the doctor, who does not repeat it"):
                hub.environment["SMTP_URL"] = url.replace(quote(sinks.PASSWORD, safe=""), "wr0ng-hush")
                told = doctor(hub)
                true(told["state"] == "failed" and "535" in told["message"] and "hush" not in told["message"], str(told))
            with case("a server that nobody vouches for gets nothing"):
                hub.environment["SMTP_URL"] = url
                del hub.environment["SSL_CERT_FILE"]
                before = len(sink.logins)
                equal(doctor(hub)["state"], "failed")
                equal(len(sink.logins), before, "passwords shown to a stranger")


def sendgrid(checks, pair_of):
    with sinks.sendgrid(SENDGRID_KEY) as (sink, url):
        with pair_of(**SETTINGS, SENDGRID_API_KEY=SENDGRID_KEY, HUB__MAIL__SENDGRID_URL=url) as pair:
            case = lambda name: checks.case(f"{pair.name}: sendgrid: {name}")
            hub = pair.hub().start()
            with case("from registration to sign-in"):
                finish(hub, sink, *register(hub))
                equal(doctor(hub)["state"], "ok")
            contents(case, hub, sink)
            refusals(case, hub, sink, 429, 400)
            equal(hub.stop(), 0, "exit code")
            with case("a wrong key is found by the doctor, who does not repeat it"):
                hub.environment["SENDGRID_API_KEY"] = "SG.hush"
                told = doctor(hub)
                true(told["state"] == "failed" and "hush" not in told["message"], str(told))


def absent(checks):
    with pairs.embedded(**SETTINGS) as pair:
        with checks.case(f"{pair.name}: a mail server that is not there does not keep the hub from starting"):
            with socket.create_server(("127.0.0.1", 0)) as gone:
                port = gone.getsockname()[1]
            hub = pair.hub()
            hub.environment["SMTP_URL"] = f"smtp://127.0.0.1:{port}"
            hub.start()
            register(hub)
            equal(doctor(hub)["state"], "failed")
            equal(hub.stop(), 0, "exit code")
        with checks.case(f"{pair.name}: settings that cannot work stop the start and say which"):
            for variables, words in [
                ({"SMTP_URL": "smtp://mail.example.com?tls=none"}, "mail.smtp_url"),
                ({"SMTP_URL": "smtp://a:hush@mail.example.com", "HUB__MAIL__FROM": ""}, "mail.from"),
                ({"HUB__MAIL__TRANSPORT": "sendgrid"}, "mail.sendgrid_api_key"),
                ({"SENDGRID_API_KEY": "SG.hush", "HUB__MAIL__SENDGRID_URL": "http://mail.example.com"}, "mail.sendgrid_url"),
                ({"SENDGRID_API_KEY": "SG.hush", "SMTP_URL": "smtp://localhost"}, "mail.transport"),
            ]:
                hub = pair.hub()
                hub.environment |= variables
                told = json.dumps(hub.run("doctor", codes=(1,)))
                true(words in told and "hush" not in told, f"{words} is not in {told}")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="hub-e2e-mail-") as folder:
        certificates = sinks.Certificates(pathlib.Path(folder))
        for pair_of in pairs.BOTH:
            for part in (plain, sendgrid):
                with checks.case(f"{pair_of.__name__}: {part.__name__} runs to its end"):
                    part(checks, pair_of)
            for implicit in (False, True):
                with checks.case(f"{pair_of.__name__}: TLS from the start {implicit} runs to its end"):
                    secured(checks, pair_of, certificates, implicit)
        absent(checks)
    checks.finish()


if __name__ == "__main__":
    main()

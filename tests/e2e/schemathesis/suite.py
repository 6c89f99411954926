"""Every operation of the document, tried by Schemathesis with data that fits and data that does not: as two members who must not see each
other's things, as administrator, and with a key of one scope."""

import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member, verify

import others

HERE = pathlib.Path(__file__).parent
PROGRAM = pathlib.Path(sys.executable).with_name("schemathesis")
SEED = "20261123"
RUN_WITHIN = 280.0
SETTINGS = {
    # Each request names an address of its own, see hooks.py.
    "HUB__SERVER__TRUSTED_PROXIES": "127.0.0.1/32",
    "HUB__SERVER__PER_ADDRESS_PER_MINUTE": "0",
    "HUB__LIMITS__USER_PER_MINUTE": "0",
    "HUB__LIMITS__MANAGER_PER_MINUTE": "0",
}


def login(name, email, password):
    """How Schemathesis signs in, and again when a session it uses was ended by what it tries."""
    return {
        "name": name,
        "loginEndpointAuth": {
            "endpoint": "/api/auth/login",
            "verb": "POST",
            "contentType": "application/json",
            "payloadRaw": json.dumps({"email": email, "password": password}),
            "token": {"extractFrom": "body", "extractSelector": "/accessToken", "sendIn": "header",
                      "sendName": "Authorization", "sendTemplate": "Bearer {token}"},
        },
    }


class Caller:
    """One run of Schemathesis: who calls, and how much is tried."""

    def __init__(self, name, users, examples, phases, peers=(), others=()):
        self.name, self.users, self.examples, self.phases = name, users, examples, phases
        self.peers, self.others = peers, others

    def run(self, hub, folder):
        """The operations that were tried, by phase, with what was found."""
        folder.mkdir()
        (folder / "auth.json").write_text(json.dumps({"auth": self.users}), encoding="utf-8")
        settings = (HERE / "schemathesis.toml").read_text(encoding="utf-8")
        who = f"\n[auth.wfc]\npath = {json.dumps(str(folder / 'auth.json'))}\n"
        if self.peers:
            who += f"peers = {json.dumps(list(self.peers))}\n"
        (folder / "schemathesis.toml").write_text(settings + who, encoding="utf-8")
        done = subprocess.run(
            [PROGRAM, "--config-file", folder / "schemathesis.toml", "run", f"{hub.url}/api/openapi.json",
             "--phases", self.phases, "--max-examples", str(self.examples), "--seed", SEED, "--generation-deterministic", "--no-color",
             "--report", "junit", "--report-junit-path", folder / "report.xml"],
            cwd=folder, timeout=RUN_WITHIN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
                              "HUB_CALLER": self.name, "HUB_OTHERS": ",".join(self.others)},
        )
        report = folder / "report.xml"
        if not report.exists():
            raise AssertionError(f"Schemathesis did not run:\n{done.stdout}")
        return done.returncode, done.stdout, list(xml.parse(report).getroot().iter("testcase"))


def tried(checks, hub, caller, folder):
    """Counts each operation as one check."""
    with checks.case(f"{caller.name}: Schemathesis runs to its end"):
        code, said, cases = caller.run(hub, folder)
        true(cases, "nothing was tried")
        for case in cases:
            with checks.case(f"{caller.name}: {case.get('name')}"):
                faults = [*case.iter("failure"), *case.iter("error")]
                true(not faults, "\n".join((fault.get("message") or fault.text or "")[:2_000] for fault in faults))
        true(code == 0, f"Schemathesis ended with {code}:\n{said[-12_000:]}")
        equal((hub.errors(), hub.panics()), ([], []), "errors in the log")


def main():
    checks = Checks()
    with pairs.embedded(**SETTINGS) as pair, tempfile.TemporaryDirectory(prefix="hub-e2e-schemathesis-") as folder:
        folder, hub = pathlib.Path(folder), pair.hub()
        hub.start()
        ada, bob = Member(hub, credits=1000), Member(hub, credits=1000)
        admin, password = f"admin-{secrets.token_hex(4)}@example.com", f"Admin-{secrets.token_hex(8)}!"
        hub.run("admin", "create-user", "--email", admin, "--password", password, "--role", "admin")
        key = hub.run("admin", "create-key", "--email", ada.email, "--name", "narrow", "--scopes", "models:read")["key"]
        members = [login("ada", ada.email, ada.password), login("bob", bob.email, bob.password)]
        narrow = [{"name": "narrow", "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]}]
        for caller in (
            Caller("member", members, 20, "examples,coverage,fuzzing,stateful", peers=("ada", "bob"), others=(admin, ada.key, bob.key)),
            Caller("admin", [login("admin", admin, password)], 10, "coverage,fuzzing", others=(ada.key, bob.key)),
            Caller("narrow", narrow, 5, "coverage,fuzzing", others=(bob.email, bob.id, admin)),
        ):
            tried(checks, hub, caller, folder / caller.name)
        with checks.case("another member's things are asked for"):
            others.check(lambda name: checks.case(f"others: {name}"), hub, Member(hub, credits=10), Member(hub, credits=10))
        with checks.case("the ledger is clean after all that"):
            verify(hub)
        with checks.case("the hub still answers and stops when asked"):
            # Somebody whom nothing that was tried can have deleted or locked out.
            Member(hub, credits=1).balance(hub)
            equal(hub.stop(), 0, "exit code")
    checks.finish()


if __name__ == "__main__":
    main()

"""How long an answer takes must not tell whether an address is known, or a promo code. Requests for known and unknown addresses are mixed in an order drawn
by lot, on one connection, with the hub's own parameters for hashing; the medians of one run must be within 10 %."""

import datetime
import http.client
import itertools
import json
import random
import statistics
import time

from hub_e2e import pairs
from hub_e2e.checks import Checks, equal, true
from hub_e2e.member import Member

SETTINGS = {
    # Every request names an address of its own, because the guards against guessing are not what is measured.
    "HUB__SERVER__TRUSTED_PROXIES": "127.0.0.1/32",
    "HUB__SERVER__PER_ADDRESS_PER_MINUTE": "0",
    "HUB__IDENTITY__PASSWORDS__MEMORY_KIB": "19456",
    "HUB__IDENTITY__PASSWORDS__PASSES": "2",
}
# How often each known address is asked for: fewer than an hour lets through, so that all of them are worked on.
ASKED = 3
MEMBERS = 67
# Medians that differ less cannot be told apart over a network; a tenth of an answer that takes a millisecond is noise.
SHARE, FLOOR_SECONDS = 0.10, 0.001
LOT = 20261123
# Redemptions: how often each member tries each code, fewer than a quarter of an hour lets through.
TRIED = 4
REDEEMERS = 45
# What is compared here is the lower quartile: a redemption writes, and the median of writes follows what else the disk has to do.
ATTEMPTS = 3


class Clock:
    """One connection, and the time each answer takes."""

    def __init__(self, hub):
        self.connection = http.client.HTTPConnection(*hub.address, timeout=30)
        self.addresses = itertools.count(1)

    def post(self, path, body, key=None):
        """`(seconds, status, what the answer says)`."""
        number = next(self.addresses)
        headers = {"Content-Type": "application/json", "X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        text = json.dumps(body)
        begun = time.perf_counter()
        self.connection.request("POST", path, text, headers)
        answer = self.connection.getresponse()
        said = answer.read()
        took = time.perf_counter() - begun
        told = json.loads(said) if said else {}
        for differs in ("requestId", "timestamp"):
            told.get("error", {}).pop(differs, None)
        return took, answer.status, json.dumps(told)


def medians(clock, path, bodies, lot):
    """Of known and of unknown addresses; the answers must be the same."""
    times, answers = {True: [], False: []}, set()
    bodies = list(bodies)
    lot.shuffle(bodies)
    for known, body in bodies:
        took, *answer = clock.post(path, body)
        times[known].append(took)
        answers.add(tuple(answer))
    equal(len(answers), 1, f"different answers: {answers}")
    return statistics.median(times[True]), statistics.median(times[False])


def compare(checks, hub, name, path, body, members, status):
    """One kind of request; a run that another program on the machine disturbed may be repeated once."""
    clock, lot = Clock(hub), random.Random(LOT)
    with checks.case(name):
        equal(clock.post(path, body("warm-up@example.com"))[1], status, "status")
        for attempt in (1, 2):
            # A repetition takes other members, for whom the hour has not begun.
            half = members[:len(members) // 2] if attempt == 1 else members[len(members) // 2:]
            unknown = [f"nobody-{attempt}-{number}@example.com" for number in range(len(half))]
            bodies = [(known, body(email)) for known, group in ((True, half), (False, unknown)) for email in group * ASKED]
            known, other = medians(clock, path, bodies, lot)
            apart = abs(known - other)
            print(f"       {name}: {len(bodies)} requests, known {known * 1e3:.2f} ms, unknown {other * 1e3:.2f} ms", flush=True)
            if apart <= max(SHARE * max(known, other), FLOOR_SECONDS):
                return
        raise AssertionError(f"known {known * 1e3:.2f} ms, unknown {other * 1e3:.2f} ms")


def codes(hub, operator):
    """Codes that give an ordinary member nothing, by the reason why; made as an administrator makes them."""
    def ask(method, path, body):
        connection = http.client.HTTPConnection(*hub.address, timeout=30)
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", "Authorization": f"Bearer {operator.key}"})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        true(answer.status in (200, 201), f"{method} {path} {body}: {answer.status} {said}")
        return said

    hour, now = datetime.timedelta(hours=1), datetime.datetime.now(datetime.UTC)
    over = {"startsAt": (now - 2 * hour).isoformat(), "expiresAt": (now - hour).isoformat()}
    made = {
        "inactive": ask("POST", "/api/promo-codes", {"credits": 5}),
        "for another role": ask("POST", "/api/promo-codes", {"credits": 5, "roles": ["manager"]}),
        "for another domain": ask("POST", "/api/promo-codes", {"credits": 5, "domains": ["example.org"]}),
        "not begun": ask("POST", "/api/promo-codes", {"credits": 5, "startsAt": (now + hour).isoformat()}),
        "expired": ask("POST", "/api/promo-codes", {"credits": 5}),
    }
    ask("PATCH", f"/api/promo-codes/{made['inactive']['id']}", {"active": False})
    ask("PATCH", f"/api/promo-codes/{made['expired']['id']}", over)
    return {reason: code["code"] for reason, code in made.items()}


def redeem(checks, pair):
    """Each reason against a code that does not exist, all mixed; a disturbed run may be repeated, by other members."""
    hub = pair.hub()
    hub.start()
    operator = Member(hub, role="admin", scopes="promo:manage")
    members = [Member(hub, credits=1) for _ in range(REDEEMERS)]
    name = "a promo code that gives nothing"
    with checks.case(f"{pair.name}: {name}"):
        existing, clock, lot = codes(hub, operator), Clock(hub), random.Random(LOT)
        # What exists differs from what does not in nothing but that.
        unknown = {code[:-4] + "".join(lot.choices("ACDEFGHJKMNPQRTUVWXY", k=4)) for code in existing.values()} - set(existing.values())
        equal(clock.post("/api/credits/redeem", {"code": min(unknown)}, members[-1].key)[1], 404, "status")
        for attempt in range(ATTEMPTS):
            these = members[attempt::ATTEMPTS]
            tries = [(reason, code, member) for reason, code in existing.items() for member in these for _ in range(TRIED)]
            tries += [("unknown", lot.choice(sorted(unknown)), member) for member in these for _ in range(TRIED)]
            lot.shuffle(tries)
            times, answers = {}, set()
            for reason, code, member in tries:
                took, *answer = clock.post("/api/credits/redeem", {"code": code}, member.key)
                times.setdefault(reason, []).append(took)
                answers.add(tuple(answer))
            equal(len(answers), 1, f"different answers: {answers}")
            true("404" in str(answers), f"answers: {answers}")
            typical = {reason: statistics.quantiles(took, n=4)[0] for reason, took in times.items()}
            print(f"       {pair.name}: {name}: {len(tries)} requests, {', '.join(f'{reason} {took * 1e3:.2f} ms' for reason, took in typical.items())}",
                  flush=True)
            nothing = typical.pop("unknown")
            told = {reason: took for reason, took in typical.items() if abs(took - nothing) > max(SHARE * max(took, nothing), FLOOR_SECONDS)}
            if not told:
                break
        equal(told, {}, f"seconds that tell a reason, unknown {nothing * 1e3:.2f} ms")
    with checks.case(f"{pair.name}: nothing was given, and nothing went wrong meanwhile"):
        equal({member.balance(hub) for member in members}, {(1_000_000, 0)}, "(balance, held)")
        equal((hub.errors(), hub.panics()), ([], []), "errors in the log")
        true(hub.stop() == 0, "the hub did not stop")


def main():
    checks = Checks()
    for pair_of in pairs.BOTH:
        with pair_of(**SETTINGS) as pair:
            redeem(checks, pair)
    with pairs.embedded(**SETTINGS) as pair:
        hub = pair.hub()
        hub.start()
        members = [Member(hub) for _ in range(2 * MEMBERS)]
        emails = [member.email for member in members]
        compare(checks, hub, "sign-in with a wrong password", "/api/auth/login",
                lambda email: {"email": email, "password": "not the right words for this"}, emails, 401)
        compare(checks, hub, "a forgotten password", "/api/auth/forgot-password", lambda email: {"email": email}, emails, 202)
        compare(checks, hub, "a registration", "/api/auth/register",
                lambda email: {"email": email, "password": "eleven slow snails cross a wet path"}, emails, 202)
        with checks.case("nothing went wrong meanwhile"):
            equal((hub.errors(), hub.panics()), ([], []), "errors in the log")
            true(hub.stop() == 0, "the hub did not stop")
    checks.finish()


if __name__ == "__main__":
    main()

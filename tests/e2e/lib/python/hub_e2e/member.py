"""An account made by the operator's command line, and the money arithmetic that a stranger would do with its receipts."""

import http.client
import json
import secrets
import time
from decimal import Decimal

MICRO = 1_000_000


class Member:
    """A user with an API key and, if wanted, credits."""

    def __init__(self, hub, credits=None, role="user", scopes=None):
        self.email = f"member-{secrets.token_hex(5)}@example.com"
        self.password = f"Hx-{secrets.token_hex(8)}-qZ!"
        made = hub.run("admin", "create-user", "--email", self.email, "--password", self.password, "--role", role)
        self.id = made["id"]
        narrow = ("--scopes", scopes) if scopes else ()
        self.key = hub.run("admin", "create-key", "--email", self.email, "--name", "e2e", *narrow)["key"]
        if credits is not None:
            self.grant(hub, credits)

    def grant(self, hub, credits):
        """Gives credits as the operator."""
        hub.run("admin", "grant-credits", "--email", self.email, "--amount", str(credits), "--reason", "e2e")

    def get(self, hub, path):
        """`GET path` with the key; amounts come as `Decimal`."""
        connection = http.client.HTTPConnection(*hub.address, timeout=30)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {self.key}"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise AssertionError(f"GET {path}: {answer.status} {body!r}")
        return json.loads(body, parse_float=Decimal)

    def balance(self, hub):
        """`(balance, held)` in micro-credits."""
        view = self.get(hub, "/api/credits/balance")
        return micro(view["balance"]), micro(view["held"])

    def settled(self, hub, within=20.0):
        """Waits until nothing is held; the balance in micro-credits."""
        deadline = time.monotonic() + within
        while True:
            balance, held = self.balance(hub)
            if held == 0:
                return balance
            if time.monotonic() > deadline:
                raise AssertionError(f"{held} micro-credits are still held after {within} s")
            time.sleep(0.1)

    def receipt(self, hub, receipt_id):
        """A receipt, checked: it computes again from its own prices and usage."""
        receipt = self.get(hub, f"/api/credits/receipts/{receipt_id}")
        recompute(receipt)
        return receipt

    def history(self, hub):
        """All transactions, newest first, by following the cursor."""
        rows, path = [], "/api/credits/transactions?limit=100"
        for _ in range(100):
            page = self.get(hub, path)
            rows += page["transactions"]
            if not page["hasMore"]:
                return rows
            path = f"/api/credits/transactions?limit=100&cursor={page['nextCursor']}"
        raise AssertionError("the history does not end")


def books(member, hub):
    """The history, newest first, checked: no row twice, each balance the sum of all rows until then, the last one the account's, which
    holds nothing."""
    rows = member.history(hub)
    if len({row["id"] for row in rows}) != len(rows):
        raise AssertionError("the history lists a row twice")
    balance = 0
    for row in reversed(rows):
        balance += micro(row["amount"])
        if micro(row["balanceAfter"]) != balance:
            raise AssertionError(f"the balance after {row} is not {balance} micro-credits")
    if member.balance(hub) != (balance, 0):
        raise AssertionError(f"(balance, held) is {member.balance(hub)}, the rows say ({balance}, 0)")
    return rows


def micro(credits):
    """Credits as in JSON to whole micro-credits; raises when there are fractions of one."""
    value = Decimal(credits) * MICRO
    if value != value.to_integral_value():
        raise AssertionError(f"{credits} has more than six digits after the point")
    return int(value)


def recompute(receipt):
    """Raises unless `amount` is tokens × unit prices (micro-credits per million), rounded up once."""
    prices, usage = receipt["unitPrices"], receipt["usage"]
    if "longContext" in prices:
        raise AssertionError("the suites use models without a price for long prompts")
    exact = prices["request"] * MICRO
    exact += sum(usage[kind] * prices[kind] for kind in ("input", "cacheRead", "cacheWrite", "output", "reasoning"))
    cost = -(-exact // MICRO)
    if receipt["usageSource"] == "none":
        exact = cost = 0
    if (receipt["exactCost"], micro(receipt["amount"]) + micro(receipt["uncollected"])) != (exact, cost):
        raise AssertionError(f"the receipt does not compute again ({exact}, {cost}): {receipt}")


def verify(hub, open_holds=0):
    """`hub ledger verify` is clean and says how many calls are running."""
    report = hub.run("ledger", "verify", codes=(0, 1))
    faults = {check["name"]: check["faults"] for check in report["checks"] if check["faults"]}
    if not report["clean"] or faults:
        raise AssertionError(f"the ledger is not clean: {faults}")
    if report["openHolds"] != open_holds:
        raise AssertionError(f"{report['openHolds']} holds are open, not {open_holds}")
    return report

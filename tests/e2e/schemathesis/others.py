"""What one member has, asked for by another: nothing of it may be there."""

import json
import secrets

import requests

from hub_e2e.checks import equal, true

TIMEOUT = 20


class Person:
    """Somebody signed in."""

    def __init__(self, hub, member):
        self.url = hub.url
        answer = requests.post(f"{hub.url}/api/auth/login", json={"email": member.email, "password": member.password}, timeout=TIMEOUT)
        answer.raise_for_status()
        self.token, self.id = answer.json()["accessToken"], answer.json()["user"]["id"]

    def ask(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=TIMEOUT, allow_redirects=False, **more)

    def belongings(self):
        """One id of each kind of thing a member can have."""
        key = self.ask("POST", "/api/keys", json={"name": "mine"}).json()["id"]
        session = self.ask("GET", "/api/auth/sessions").json()["sessions"][0]["id"]
        chat = {"model": "sandbox", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
        self.ask("POST", "/v1/chat/completions", json=chat).raise_for_status()
        rows = self.ask("GET", "/api/credits/transactions").json()["transactions"]
        receipt = next(row["receiptId"] for row in rows if row.get("receiptId"))
        return {"user": self.id, "key": key, "session": session, "receipt": receipt}


def check(case, hub, owner, stranger):
    """Every operation that takes an id, with every id of the owner's, asked by the stranger: not there, like an id that never was."""
    document = requests.get(f"{hub.url}/api/openapi.json", timeout=TIMEOUT).json()
    owner, stranger = Person(hub, owner), Person(hub, stranger)
    things = owner.belongings()
    asked = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parameters = operation.get("parameters", [])
            named = [one["name"] for one in parameters if one["in"] == "path"]
            owned = any(one["name"] == "userId" and one["in"] == "query" for one in parameters)
            needed = "".join(f"&{one['name']}={first(document, one)}" for one in parameters if one["in"] == "query" and one.get("required"))
            for kind, thing in things.items():
                never = thing[:-12] + secrets.token_hex(6)
                if named == ["id"] or (named == ["userId"] and kind == "user"):
                    with case(f"{method.upper()} {path} with the {kind} of another member"):
                        true_one = stranger.ask(method, path.replace(f"{{{named[0]}}}", thing))
                        absent = stranger.ask(method, path.replace(f"{{{named[0]}}}", never))
                        true(400 <= true_one.status_code < 500, f"{true_one.status_code}: {true_one.text}")
                        equal(told(true_one, thing), told(absent, never), "an id that is another's, and one that is nobody's")
                        asked += 1
                if owned and kind == "user":
                    with case(f"{method.upper()} {path}?userId= of another member"):
                        true_one = stranger.ask(method, f"{path}?userId={thing}{needed}")
                        equal(true_one.status_code, 404, true_one.text)
                        absent = stranger.ask(method, f"{path}?userId={never}{needed}")
                        equal(told(true_one, thing), told(absent, never), "another's, and nobody's")
                        asked += 1
    with case("what was asked for is still its owner's"):
        true(asked >= 12, f"only {asked} operations were asked")
        equal(owner.ask("GET", f"/api/credits/receipts/{things['receipt']}").status_code, 200, "the receipt")
        true(things["key"] in owner.ask("GET", "/api/keys?limit=100").text, "the key is gone")
        true(things["session"] in owner.ask("GET", "/api/auth/sessions").text, "the session is gone")


def first(document, parameter):
    """A value that a required parameter takes: the first of its list."""
    schema = parameter["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema.get("enum", ["1"])[0]


def told(answer, asked_for):
    """An error without what differs in every answer, and without the id that was asked for."""
    error = answer.json()["error"]
    said = json.dumps([error["code"], error["message"], error.get("details")])
    return answer.status_code, said.replace(asked_for, "…")

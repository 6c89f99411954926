"""What Schemathesis must know of this hub: how callers are told apart, and what no caller may ever be given."""

import itertools
import os

import schemathesis

_addresses = itertools.count(1)
# Where the narrow key works; everything else that needs a credential must refuse it.
_NARROW = {
    "GET /v1/models", "GET /v1/models/{id}", "GET /api/auth/me", "GET /api/users/me", "POST /api/auth/ws-ticket", "GET /api/credits/packages",
    "GET /api/mcp/providers",
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Each request comes from an address of its own, or the guards against guessing would end the run."""
    number = next(_addresses)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@schemathesis.check
def errors_have_their_form(ctx, response, case):
    """Every refusal is the envelope, with the request id of the header; people on their way from a provider get a page."""
    page = case.operation.path.startswith("/api/auth/oauth/{provider}") and response.headers["content-type"][0].startswith("text/html")
    if response.status_code < 400 or case.method.upper() == "HEAD" or page:
        return
    error = response.json()["error"]
    assert error["requestId"] == response.headers["x-request-id"][0], "another request id"
    assert error["code"] and error["message"], "an error without words"
    for leak in ("sqlx", "panick", "crates/", "SELECT "):
        assert leak not in response.text, f"the error tells of our insides: {response.text}"


@schemathesis.check
def nothing_of_others(ctx, response, case):
    """The other member's address, id and key stand in no answer."""
    for secret in filter(None, os.environ.get("HUB_OTHERS", "").split(",")):
        asked = str(case.path_parameters) + str(case.query) + str(case.body)
        assert secret in asked or secret not in response.text, f"{secret} of somebody else was shown"


@schemathesis.check
def narrow_stays_narrow(ctx, response, case):
    """A key with the one scope `models:read` opens the models and nothing more."""
    if os.environ.get("HUB_CALLER") != "narrow" or response.status_code >= 400:
        return
    public = {} in (case.operation.definition.raw.get("security") or [])
    assert public or case.operation.label in _NARROW, f"{case.operation.label} let the narrow key in"

"""The two engine pairs every suite runs on: `embedded` (SQLite, memory) and `shared` (PostgreSQL, Redis)."""

import contextlib
import os
import pathlib
import secrets
import sqlite3
import tempfile
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from .hub import Hub

# The limits of the product are tested elsewhere; here they would stand in the way of load. Hashing a password is made
# cheap because it is not what these suites are about.
SETTINGS = {
    "HUB__LIMITS__GUEST_PER_MINUTE": "0",
    "HUB__LIMITS__USER_PER_MINUTE": "1000000",
    "HUB__SERVER__PER_ADDRESS_PER_MINUTE": "0",
    "HUB__SANDBOX__ENABLED": "true",
    "HUB__SANDBOX__DELAY_MS": "0",
    "HUB__IDENTITY__PASSWORDS__MEMORY_KIB": "64",
    "HUB__IDENTITY__PASSWORDS__PASSES": "1",
}


class Pair:
    """Makes hubs that share one database and one cache, and reads that database from outside."""

    def __init__(self, name, folder, environment, connect):
        self.name = name
        self._folder = pathlib.Path(folder)
        self._environment = environment
        self._connect = connect
        self._hubs = []

    def hub(self, **environment):
        """Another hub of this pair, not started, with further environment. The embedded pair can have only one running."""
        number = 0 if self.name == "embedded" else len(self._hubs)
        hub = Hub(self._folder / f"hub-{number}", self._environment | environment)
        self._hubs.append(hub)
        return hub

    def rows(self, statement):
        """Rows of the database, read by another client than the hub's."""
        with contextlib.closing(self._connect(self._folder)) as connection:
            return connection.execute(statement).fetchall()

    def end(self):
        for hub in self._hubs:
            hub.kill()


@contextlib.contextmanager
def embedded(**settings):
    """SQLite and memory in a temporary data directory."""
    with tempfile.TemporaryDirectory(prefix="hub-e2e-") as folder:
        pair = Pair("embedded", folder, SETTINGS | settings, _open_sqlite)
        try:
            yield pair
        finally:
            pair.end()


@contextlib.contextmanager
def shared(through=None, **settings):
    """A new PostgreSQL database, dropped afterwards, and a Redis prefix of its own. The hubs, but not `rows`, reach the database at the
    port `through` of this machine, if one is given."""
    server = os.environ["HUB_TEST_POSTGRES_URL"]
    mark = secrets.token_hex(6)
    database = f"hub_e2e_{mark}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    url = urlunsplit(urlsplit(server)._replace(path=f"/{database}"))
    environment = SETTINGS | {
        "DATABASE_URL": url if through is None else _at(url, through),
        "REDIS_URL": os.environ["HUB_TEST_REDIS_URL"],
        "JWT_SECRET": secrets.token_hex(32),
        "HUB__CACHE__PREFIX": f"e2e-{mark}",
    }
    with tempfile.TemporaryDirectory(prefix="hub-e2e-") as folder:
        pair = Pair("shared", folder, environment | settings, lambda _: psycopg.connect(url))
        try:
            yield pair
        finally:
            pair.end()
            with psycopg.connect(server, autocommit=True) as connection:
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
                connection.execute(drop)


BOTH = (embedded, shared)


def postgres():
    """`(host, port)` of the PostgreSQL server."""
    parts = urlsplit(os.environ["HUB_TEST_POSTGRES_URL"])
    return parts.hostname, parts.port or 5432


def _at(url, port):
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{port}"))


def _open_sqlite(folder):
    return sqlite3.connect(f"file:{folder / 'hub-0' / 'hub.db'}?mode=ro", uri=True)

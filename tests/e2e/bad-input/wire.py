"""HTTP/1.1 on a bare socket: sends exactly the bytes it is given, reads one answer."""

import dataclasses
import json
import socket

PATIENCE = 30.0
PIECE = 64 * 1024


@dataclasses.dataclass
class Answer:
    """One response; `headers` has lower-case names."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


def request(address, method, path, headers=(), body=b"", *, host=True, length=True):
    """A well-formed request around possibly bad content."""
    lines = [f"{method} {path} HTTP/1.1"]
    if host:
        lines.append(f"Host: {address[0]}:{address[1]}")
    if length and (body or method in ("POST", "PUT", "PATCH")):
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(address, *pieces):
    """Sends the pieces and reads one answer. A server that answers early and stops reading is no error."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read(connection)


def read(connection):
    """One answer; raises `ConnectionError` when the connection ends without a whole one."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = _chunks(connection, rest)
    else:
        want = int(headers.get("content-length", 0))
        while len(rest) < want:
            rest += _more(connection)
        body = rest[:want]
    return Answer(int(first.split()[1]), headers, body)


def zeros(size):
    """The text of a JSON string of `size` bytes in pieces, so that no test holds it in memory."""
    for _ in range(size // PIECE):
        yield b"0" * PIECE


def chunked(pieces):
    """The pieces in chunked transfer coding, without the end: nobody should read so far."""
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)


def _more(connection):
    data = connection.recv(PIECE)
    if not data:
        raise ConnectionError("the connection ended without an answer")
    return data


def _chunks(connection, rest):
    body = b""
    while True:
        while b"\r\n" not in rest:
            rest += _more(connection)
        size, _, rest = rest.partition(b"\r\n")
        size = int(size.split(b";")[0], 16)
        while len(rest) < size + 2:
            rest += _more(connection)
        if size == 0:
            return body
        body, rest = body + rest[:size], rest[size + 2 :]

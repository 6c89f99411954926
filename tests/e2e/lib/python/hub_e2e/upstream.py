"""The scripted upstream (aimock, a Node program) as a process."""

import contextlib
import json
import pathlib
import subprocess
import urllib.request

HERE = pathlib.Path(__file__).resolve().parents[2] / "upstream"
STOP_WITHIN = 10.0


class Upstream:
    """A running upstream and what it was scripted to say."""

    def __init__(self, url):
        self.url = url
        self.script = json.loads((HERE / "script.json").read_text(encoding="utf-8"))
        self.model = self.script["model"]

    def scripted(self, message):
        """The responses of the fixtures for this user message, in order."""
        return [f["response"] for f in self.script["fixtures"] if f["match"]["userMessage"] == message]

    def heard(self, path="/v1/chat/completions"):
        """Bodies of all requests that arrived on this path, oldest first. It tells those of other wires as chat."""
        with urllib.request.urlopen(f"{self.url}/__aimock/journal?path={path}&limit=1000", timeout=10) as got:
            return [entry["body"] for entry in json.load(got)]


@contextlib.contextmanager
def upstream():
    """Starts it, and ends it by closing its standard input."""
    process = subprocess.Popen(["node", "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Upstream(json.loads(process.stdout.readline())["url"])
    finally:
        process.stdin.close()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

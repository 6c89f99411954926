"""The real binary as processes: started, asked by its command line, killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

START_WITHIN = 60.0
STOP_WITHIN = 20.0
COMMAND_WITHIN = 60.0


class HubError(Exception):
    """The hub did not do what every suite depends on."""


_running = set()


def end_with_the_suite():
    """A suite that is asked to end takes its hubs along, whichever thread started them."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(number, _frame):
    for process in list(_running):
        process.kill()
    sys.stdout.flush()
    os._exit(128 + number)


class Hub:
    """One `hub serve` process with its data directory. Ended by `stop` or `kill`, at the latest by its pair."""

    def __init__(self, data_dir, environment):
        self.data_dir = pathlib.Path(data_dir)
        self.environment = dict(environment)
        self.log = self.data_dir.with_suffix(".log")
        self.url = None
        self._process = None

    @property
    def address(self):
        """`(host, port)` for raw sockets."""
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def start(self):
        """Starts the process and waits until it says where it listens."""
        with open(self.log, "ab") as log:
            read_from = log.tell()
            self._process = subprocess.Popen(
                [os.environ["HUB_BIN"], "serve", "--data-dir", str(self.data_dir), "--listen", "127.0.0.1:0"],
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )
        _running.add(self._process)
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline:
            for line in self._log_lines(read_from):
                if line.get("message") == "started":
                    self.url = line["address"]
                    return self
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise HubError(f"the hub did not start:\n{self.tail()}")

    def stop(self):
        """Asks the process to end and waits for it; returns its exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            code = self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
            raise HubError("the hub did not stop when it was asked to") from None
        self._ended()
        return code

    def kill(self):
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_WITHIN)
            self._ended()

    def memory(self, peak=False, reset=False):
        """Bytes of memory the process occupies, or the most it ever did since `reset` (Linux)."""
        process = pathlib.Path("/proc") / str(self._process.pid)
        if reset:
            (process / "clear_refs").write_text("5")
        field = "VmHWM:" if peak else "VmRSS:"
        line = next(line for line in (process / "status").read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024

    def signal(self, number):
        """Sends a signal to the process."""
        self._process.send_signal(number)

    def run(self, *arguments, codes=(0,)):
        """`hub … --json`: the value it prints. Raises for an exit code that is not in `codes`."""
        done = subprocess.run(
            [os.environ["HUB_BIN"], *arguments, "--json", "--data-dir", str(self.data_dir)],
            env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_WITHIN,
        )
        if done.returncode not in codes:
            raise HubError(f"hub {' '.join(arguments)} ended with {done.returncode}: {done.stdout} {done.stderr}")
        return json.loads(done.stdout)

    def tail(self, lines=15):
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def errors(self):
        """Log lines of level ERROR: a request that was answered 500 or worse, or a defect."""
        return [line for line in self._log_lines(0) if line.get("level") == "ERROR"]

    def panics(self):
        """Lines of the log that tell of a panic."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if "panicked at" in line]

    def _ended(self):
        _running.discard(self._process)
        self._process = None

    def _log_lines(self, read_from):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(read_from)
            for line in log:
                if line.startswith("{"):
                    try:
                        yield json.loads(line)
                    except ValueError:
                        pass

    def _environment(self):
        # Nothing of the developer's own environment, where a real credential may stand.
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return inherited | {"HUB__LOG__FORMAT": "json"} | self.environment

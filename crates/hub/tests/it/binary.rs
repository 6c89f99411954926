//! The built binary as a child process: one command, or a server that is stopped with a signal.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The most a test waits for a process.
const PATIENCE: Duration = Duration::from_mins(1);

/// `hub` with these arguments, with no environment but this.
pub(crate) fn command(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.env_clear().args(arguments).arg("--data-dir").arg(data).current_dir(data.parent().expect("a parent"));
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs one command to its end.
pub(crate) fn hub(data: &Path, arguments: &[&str]) -> Output {
    hub_with(data, arguments, &[])
}

/// The same with an environment.
pub(crate) fn hub_with(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(data, arguments, variables).output().expect("the binary runs")
}

/// What a command with `--json` tells; asserts that it succeeds.
pub(crate) fn json(data: &Path, arguments: &[&str]) -> Value {
    let output = hub(data, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("not one JSON value: {}", text(&output.stdout)))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `hub serve`. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    log: Receiver<String>,
    /// Lines of the log read so far.
    pub(crate) seen: Vec<String>,
    /// Where it listens; empty for a worker.
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a free port and waits until it says that it has started.
    pub(crate) fn start(data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let all = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = command(data, &all, variables);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("a pipe");
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { child, log, seen: Vec::new(), address: String::new() };
        let started = server.wait_for_log("started");
        server.address = started["address"].as_str().unwrap_or_default().to_owned();
        server
    }

    /// Waits for a line of the log with this message.
    pub(crate) fn wait_for_log(&mut self, message: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let value: Value = serde_json::from_str(&line).unwrap_or_default();
                    self.seen.push(line);
                    if value["message"] == message {
                        return value;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{message}` in time: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("ended without `{message}`: {:#?}", self.seen),
            }
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s TERM \"$1\"", "sh", &id]).status();
        assert!(sent.expect("a shell").success());
    }

    /// Waits for the end; returns how it ended and what it wrote to standard output.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        self.wait_for_log("stopped");
        let stdout = self.child.stdout.take().expect("a pipe");
        let out = std::io::read_to_string(stdout).expect("text");
        (self.child.wait().expect("the process ends"), out)
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.terminate();
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Most have ended by now; then both fail, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client with limits.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client")
}

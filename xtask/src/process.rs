//! Other programs: run them, wait for them within bounds, and end those that we started.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt::Interrupt;

const POLL: Duration = Duration::from_millis(50);
/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(15);

/// Runs to the end with our own input and output; an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", name(command));
    }
    Ok(())
}

/// Runs to the end and returns what it wrote to standard output; an error unless it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!("{} failed ({})", name(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote something that is not text", name(command)))
}

/// Whether the program can be started and succeeds; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A process of ours. Dropping it ends it.
pub(crate) struct Running {
    name: String,
    child: Child,
    /// The signal that means "stop soon" to this program.
    stop: &'static str,
}

impl Running {
    /// Starts the program; `stop` is the signal's name, such as `INT`.
    pub(crate) fn start(command: &mut Command, stop: &'static str) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {}", name(command)))?;
        Ok(Self { name: name(command), child, stop })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Shows each line of the piped standard error (or output, when `stdout`) and hands it to `read` as well.
    pub(crate) fn follow(&mut self, stdout: bool, mut read: impl FnMut(&str) + Send + 'static) -> JoinHandle<()> {
        let pipe: Option<Box<dyn Read + Send>> = if stdout {
            self.child.stdout.take().map(|pipe| Box::new(pipe) as _)
        } else {
            self.child.stderr.take().map(|pipe| Box::new(pipe) as _)
        };
        std::thread::spawn(move || {
            let Some(pipe) = pipe else { return };
            // Not `lines()`: a test may print bytes that are no text, and the pipe must be read to its end.
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { return };
                let line = String::from_utf8_lossy(&line);
                if stdout {
                    println!("{line}");
                } else {
                    eprintln!("{line}");
                }
                read(&line);
            }
        })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Waits for the end. On an interrupt, or past the limit, the process is ended and that is an error.
    pub(crate) fn wait(&mut self, interrupt: &Interrupt, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if interrupt.is_set() || started.elapsed() > limit {
                self.end();
                interrupt.check()?;
                bail!("{} did not end within {} s", self.name, limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks it to stop, waits a while, then kills it.
    pub(crate) fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // The standard library can only kill; every system with a shell can send the gentler signal.
        let id = self.child.id().to_string();
        succeeds(Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", self.stop, &id]));
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        // Nothing is left to do when even this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().take(2).map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

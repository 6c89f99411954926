//! What the operating system knows about this process, in the Prometheus text format.
//!
//! Read from `/proc/self` on Linux when asked; elsewhere only the uptime is there. Names follow the Prometheus client
//! guidelines ("Process metrics").

use std::fmt::Write as _;
use std::fs;

use hub_types::Timestamp;

/// Clock ticks per second in `/proc`: 100 on every Linux platform we build for (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// All lines. What cannot be read is left out.
pub(crate) fn render(started: Timestamp, now: Timestamp) -> String {
    let mut text = String::new();
    let uptime = (now - started).num_milliseconds().max(0);
    gauge(&mut text, "process_uptime_seconds", "Seconds since the start.", &millis(uptime));
    gauge(&mut text, "process_start_time_seconds", "Start, seconds since 1970.", &millis(started.timestamp_millis()));
    if let Some(bytes) = resident_bytes() {
        gauge(&mut text, "process_resident_memory_bytes", "Memory in use.", &bytes.to_string());
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // The listing itself holds one file open.
        let open = entries.count().saturating_sub(1);
        gauge(&mut text, "process_open_fds", "Open file descriptors.", &open.to_string());
    }
    if let Some(ticks) = cpu_ticks() {
        let seconds = millis(i64::try_from(ticks * 1000 / TICKS_PER_SECOND).unwrap_or(i64::MAX));
        metric(&mut text, "process_cpu_seconds_total", "CPU time, user and system.", "counter", &seconds);
    }
    text
}

fn millis(value: i64) -> String {
    format!("{}.{:03}", value / 1000, value % 1000)
}

fn gauge(text: &mut String, name: &str, help: &str, value: &str) {
    metric(text, name, help, "gauge", value);
}

fn metric(text: &mut String, name: &str, help: &str, kind: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn cpu_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name is in parentheses and may hold anything, so counting starts behind it (proc(5): 14, 15).
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use hub_types::Clock;

    #[test]
    fn the_process_can_be_read() {
        let started = Clock::fixed_at("2026-11-23T10:00:00Z").now();
        let text = render(started, started + chrono::Duration::milliseconds(1500));
        assert!(text.contains("\nprocess_uptime_seconds 1.500\n"), "{text}");
        for name in ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"] {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1_000_000));
    }
}

//! Log lines as JSON, written once: what a span knows is kept as finished members of an object and goes into each of its lines as it is.
//!
//! The formatter of `tracing-subscriber` reads the JSON of a span again and writes it anew for every field that is added, which cost
//! more than all else that is logged of a call. The form of the lines is in `docs/logging.md`. Nothing said here can end a line or a string
//! early: names and values all pass through `serde_json`.

use std::{fmt, io};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// One line for each event: time, level, the event's fields, target, and under `span` what the spans around it know, from the outermost
/// to the innermost, whose name it has.
pub(crate) struct JsonLines;

/// Fields as members of an object, without its braces.
pub(crate) struct Members;

impl<S> FormatEvent<S, Members> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", metadata.level())?;
        Visitor::run(&mut writer, true, event)?;
        writer.write_str(",\"target\":")?;
        json(&mut writer, metadata.target())?;
        // Of the event and not of the moment: the line of a request names its span itself.
        if let Some(scope) = context.event_scope() {
            let spans: Vec<_> = scope.from_root().collect();
            writer.write_str(",\"span\":{\"name\":")?;
            json(&mut writer, spans.last().map_or("", SpanRef::name))?;
            for span in &spans {
                if let Some(members) = span.extensions().get::<FormattedFields<Members>>().filter(|m| !m.is_empty()) {
                    write!(writer, ",{members}")?;
                }
            }
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        Visitor::run(&mut writer, false, fields)
    }

    fn add_fields(&self, known: &'w mut FormattedFields<Self>, fields: &span::Record<'_>) -> fmt::Result {
        let more = !known.is_empty();
        Visitor::run(&mut known.as_writer(), more, fields)
    }
}

/// Writes each field it is shown as a member.
struct Visitor<'a, 'w> {
    writer: &'a mut Writer<'w>,
    /// Whether something stands before the next member.
    more: bool,
    result: fmt::Result,
}

impl<'a, 'w> Visitor<'a, 'w> {
    fn run(writer: &'a mut Writer<'w>, more: bool, fields: impl RecordFields) -> fmt::Result {
        let mut visitor = Self { writer, more, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }

    fn member(&mut self, field: &Field, value: impl Serialize) {
        if self.result.is_ok() {
            self.result = self.write(field.name(), value);
        }
    }

    fn write(&mut self, name: &str, value: impl Serialize) -> fmt::Result {
        if std::mem::replace(&mut self.more, true) {
            self.writer.write_char(',')?;
        }
        json(self.writer, name.strip_prefix("r#").unwrap_or(name))?;
        self.writer.write_char(':')?;
        json(self.writer, value)
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, format_args!("{value:?}"));
    }
}

fn json(writer: &mut Writer<'_>, value: impl Serialize) -> fmt::Result {
    serde_json::to_writer(Text(writer), &value).map_err(|_| fmt::Error)
}

/// What `serde_json` writes is text.
struct Text<'a, 'w>(&'a mut Writer<'w>);

impl io::Write for Text<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::field::Empty;
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged while `work` runs, without the times.
    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().fmt_fields(Members).event_format(JsonLines).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let parsed = text.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).is_ok(), "{time}");
            line
        });
        parsed.collect()
    }

    #[test]
    fn a_line_has_the_fields_of_the_event_and_of_all_spans_around_it() {
        let lines = logged(|| {
            tracing::info!(target: "t", count = 3_u64, signed = -1, part = 0.5, yes = true, error = ?Some(1), "plain");
            let outer = tracing::info_span!("request", requestId = "r1", route = Empty);
            let _in_outer = outer.clone().entered();
            let _in_inner = tracing::info_span!("llm", provider = Empty).entered();
            tracing::warn!(target: "t", "before");
            outer.record("route", "/v1");
            tracing::Span::current().record("provider", tracing::field::display("p"));
            tracing::warn!(target: "t", "after");
            tracing::warn!(target: "t", parent: &outer, "elsewhere");
        });
        let plain = json!({"level": "INFO", "message": "plain", "count": 3, "signed": -1, "part": 0.5, "yes": true,
            "error": "Some(1)", "target": "t"});
        let before = json!({"level": "WARN", "message": "before", "target": "t",
            "span": {"name": "llm", "requestId": "r1"}});
        let after = json!({"level": "WARN", "message": "after", "target": "t",
            "span": {"name": "llm", "requestId": "r1", "route": "/v1", "provider": "p"}});
        let elsewhere = json!({"level": "WARN", "message": "elsewhere", "target": "t",
            "span": {"name": "request", "requestId": "r1", "route": "/v1"}});
        assert_eq!(lines, [plain, before, after, elsewhere]);
    }

    #[test]
    fn nothing_that_is_said_ends_a_line_or_a_string() {
        let hostile = "\"},\n{\"level\":\"\r\u{0}\u{2028}\u{1f600}\\";
        let lines = logged(|| {
            let span = tracing::info_span!("request", path = hostile, shown = %hostile, later = Empty);
            let _entered = span.clone().entered();
            span.record("later", hostile);
            tracing::info!(target: "t", text = hostile, shown = %hostile, "{hostile}");
        });
        let span = json!({"name": "request", "path": hostile, "shown": hostile, "later": hostile});
        let line = json!({"level": "INFO", "message": hostile, "text": hostile, "shown": hostile, "target": "t", "span": span});
        assert_eq!(lines, [line]);
    }
}

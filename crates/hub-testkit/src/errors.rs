//! What was logged as an error, by the runtime it was logged on: each test has its own, so tests of one process do not mix.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, Once, PoisonError};

use tokio::runtime::{Handle, Id};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, registry};

static ERRORS: Mutex<Option<HashMap<Id, Vec<String>>>> = Mutex::new(None);
static LISTENING: Once = Once::new();

/// Starts listening, once per process.
pub(crate) fn listen() {
    LISTENING.call_once(|| {
        let shown = tracing_subscriber::fmt::layer()
            .with_test_writer()
            .with_filter(tracing_subscriber::filter::LevelFilter::WARN);
        // A test that installed a subscriber of its own keeps it, and counts errors itself.
        let _ = tracing::subscriber::set_global_default(registry().with(Errors).with(shown));
    });
}

/// Takes what was logged on this runtime.
pub(crate) fn take() -> Vec<String> {
    with(|errors| Handle::try_current().ok().and_then(|handle| errors.remove(&handle.id()))).unwrap_or_default()
}

fn with<T>(work: impl FnOnce(&mut HashMap<Id, Vec<String>>) -> T) -> T {
    work(ERRORS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

struct Errors;

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let Ok(handle) = Handle::try_current() else { return };
        let mut text = Text(event.metadata().target().to_owned());
        event.record(&mut text);
        with(|errors| errors.entry(handle.id()).or_default().push(text.0));
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

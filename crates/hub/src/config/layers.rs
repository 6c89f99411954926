//! Defaults ← file ← environment: each setting is assigned by its full name, and the last one to assign it is remembered.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::environment::Environment;
use super::error::{Problem, Source};
use super::shape::{Kind, Shape};

/// Before the name of every variable that sets one setting: `HUB__LIMITS__GUEST_PER_MINUTE`.
const PREFIX: &str = "HUB__";

/// Plain names that other programs use too, and the setting each stands for.
const PLAIN: &[(&str, &str)] = &[
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "cache.redis_url"),
    ("JWT_SECRET", "security.jwt_secret"),
    ("JWT_SECRET_PREVIOUS", "security.jwt_secret_previous"),
    ("LOG_LEVEL", "log.level"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
    ("SMTP_URL", "mail.smtp_url"),
    ("SENDGRID_API_KEY", "mail.sendgrid_api_key"),
    ("STRIPE_SECRET_KEY", "stripe.secret_key"),
    ("STRIPE_WEBHOOK_SECRET", "stripe.webhook_secret"),
];

/// All settings that somebody set, and who did.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    /// By full name. Lists are one setting.
    assigned: BTreeMap<String, (Value, Source)>,
    /// Parts of a list that came from elsewhere than the list: `providers[0]`.
    parts: BTreeMap<String, Source>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Adds a settings file.
    pub(super) fn file(&mut self, shape: &Shape, path: &Path) {
        let source = Source::File(path.to_owned());
        let wrong = |message: String| Problem { setting: String::new(), source: source.clone(), message };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.problems.push(wrong(format!("cannot be read: {error}"))),
        };
        match text.parse::<Table>() {
            Ok(table) => self.table(shape, "", table, &source),
            Err(error) => {
                // The error's own text quotes the line, which may hold a secret.
                let line =
                    error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
                self.problems.push(wrong(format!("line {line} is not TOML: {}", error.message())));
            }
        }
    }

    fn table(&mut self, shape: &Shape, at: &str, table: Table, source: &Source) {
        let Shape::Table(fields) = shape else { return };
        for (key, value) in table {
            let setting = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            let Some(inner) = fields.get(key.as_str()) else {
                self.unknown(shape, at, setting, source.clone());
                continue;
            };
            match (inner, value) {
                (Shape::Table(_), Value::Table(table)) => self.table(inner, &setting, table, source),
                (Shape::Table(_), _) => {
                    let message = format!("must be {}", inner.words());
                    self.problems.push(Problem { setting, source: source.clone(), message });
                }
                (_, value) => self.assign(setting, value, source.clone()),
            }
        }
    }

    /// Adds the environment: the plain names first, so that `HUB__SECTION__KEY` wins over them, and both over a file.
    pub(super) fn environment(&mut self, shape: &Shape, environment: &Environment) {
        for (name, setting) in PLAIN {
            if let Some(value) = environment.get(name) {
                self.assign(
                    (*setting).to_owned(),
                    Value::String(value.to_owned()),
                    Source::Variable((*name).to_owned()),
                );
            }
        }
        for (rest, text) in environment.beginning(PREFIX) {
            let source = Source::Variable(format!("{PREFIX}{rest}"));
            let setting = rest.to_lowercase().replace("__", ".");
            match shape.get(&setting) {
                None | Some(Shape::Table(_)) => {
                    let (section, known) = nearest(shape, &setting);
                    self.unknown(known, &section, setting, source);
                }
                Some(inner) => {
                    if let Some(value) = read(inner, text) {
                        self.assign(setting, value, source);
                    } else {
                        let message = format!("must be {}", inner.words());
                        self.problems.push(Problem { setting, source, message });
                    }
                }
            }
        }
    }

    /// Sets one setting, over whatever was set before.
    pub(super) fn assign(&mut self, setting: String, value: Value, source: Source) {
        self.assigned.insert(setting, (value, source));
    }

    fn unknown(&mut self, section: &Shape, at: &str, setting: String, source: Source) {
        let place = if at.is_empty() { "the settings have".to_owned() } else { format!("[{at}] has") };
        let Shape::Table(fields) = section else { return };
        let keys = fields.keys().copied().collect::<Vec<_>>().join(", ");
        self.problems.push(Problem { setting, source, message: format!("is not a setting; {place}: {keys}") });
    }

    /// Who set this, or the list or section it lies in.
    pub(super) fn source(&self, setting: &str) -> Source {
        let mut name = setting;
        loop {
            if let Some(source) = self.parts.get(name).or_else(|| self.assigned.get(name).map(|(_, source)| source)) {
                return source.clone();
            }
            match name.rfind(['.', '[']) {
                Some(end) => name = name.get(..end).unwrap_or_default(),
                None => return Source::Default,
            }
        }
    }

    /// Adds or completes the entry named `name` of a list such as `[[providers]]`, with `defaults` for keys it then still lacks; a new
    /// entry stands before all others.
    pub(super) fn entry(&mut self, list: &str, name: &str, entry: Table, defaults: &[(&str, &str)], source: &Source) {
        let (value, list_source) =
            self.assigned.remove(list).unwrap_or_else(|| (Value::Array(Vec::new()), source.clone()));
        let Value::Array(mut entries) = value else {
            // Not a list: left as it is, to be refused with its own source.
            return self.assign(list.to_owned(), value, list_source);
        };
        let named = |value: &Value| value.get("name").and_then(Value::as_str) == Some(name);
        let place = entries.iter().position(named);
        if place.is_none() {
            entries.insert(0, Value::Table(Table::new()));
            self.move_parts(list);
        }
        if let Some(Value::Table(present)) = entries.get_mut(place.unwrap_or(0)) {
            present.extend(entry);
            for (key, value) in defaults {
                present.entry(*key).or_insert_with(|| (*value).into());
            }
        }
        self.parts.insert(format!("{list}[{}]", place.unwrap_or(0)), source.clone());
        self.assign(list.to_owned(), Value::Array(entries), list_source);
    }

    /// Renames what came from elsewhere than the list, because every entry of the list has moved by one.
    fn move_parts(&mut self, list: &str) {
        let parts = std::mem::take(&mut self.parts);
        let moved = |name: String| {
            let place = name
                .strip_prefix(list)
                .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok());
            place.map_or(name, |place| format!("{list}[{}]", place + 1))
        };
        self.parts = parts.into_iter().map(|(name, source)| (moved(name), source)).collect();
    }

    /// Forgets a setting that cannot be used; `false` when nobody set it.
    pub(super) fn forget(&mut self, setting: &str) -> bool {
        let top = setting.split('[').next().unwrap_or_default();
        self.assigned.remove(top).is_some()
    }

    /// What was set, by full name.
    pub(super) fn assigned(&self) -> impl Iterator<Item = (&str, &Value, &Source)> {
        self.assigned.iter().map(|(setting, (value, source))| (setting.as_str(), value, source))
    }

    /// What was set, as one table.
    pub(super) fn merged(&self) -> Table {
        let mut root = Table::new();
        for (setting, value, _) in self.assigned() {
            insert(&mut root, setting, value.clone());
        }
        root
    }
}

/// Puts a value into nested tables, over what stands there.
pub(super) fn insert(root: &mut Table, setting: &str, value: Value) {
    match setting.split_once('.') {
        None => {
            root.insert(setting.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = root.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The deepest section of a path that exists, for the list of what is allowed there.
fn nearest<'a>(shape: &'a Shape, setting: &str) -> (String, &'a Shape) {
    let mut found = (String::new(), shape);
    let mut end = 0;
    while let Some(dot) = setting.get(end..).and_then(|rest| rest.find('.')) {
        let section = setting.get(..end + dot).unwrap_or_default();
        match shape.get(section) {
            Some(inner @ Shape::Table(_)) => found = (section.to_owned(), inner),
            _ => break,
        }
        end += dot + 1;
    }
    found
}

/// A variable is text; this reads it as what the setting takes. Lists are separated by commas, or written as in TOML.
fn read(shape: &Shape, text: &str) -> Option<Value> {
    match shape {
        Shape::Leaf(Kind::Text | Kind::OneOf(_)) => Some(Value::String(text.to_owned())),
        Shape::Leaf(Kind::Bool) => text.parse().ok().map(Value::Boolean),
        Shape::Leaf(Kind::Whole) => text.parse().ok().map(Value::Integer),
        Shape::Leaf(Kind::Number) => {
            let whole = text.parse().ok().map(Value::Integer);
            whole.or_else(|| text.parse().ok().map(Value::Float))
        }
        Shape::List(_) if text.trim_start().starts_with('[') => {
            let table = format!("list = {text}").parse::<Table>().ok()?;
            table.get("list").cloned()
        }
        Shape::List(item) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| read(item, part)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Shape::Table(_) => None,
    }
}

//! Why the settings cannot be used: each problem with the setting's full name, where it came from and what is allowed. Never a value:
//! it may be a secret that was put in the wrong place.

use std::fmt;
use std::path::PathBuf;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A settings file.
    File(PathBuf),
    /// An environment variable, by name.
    Variable(String),
    /// An argument of the command line, by name.
    Argument(&'static str),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Argument(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's full name, such as `limits.guest_per_minute`; empty when a whole file cannot be read.
    pub setting: String,
    /// Where it came from.
    pub source: Source,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting.is_empty(), &self.source) {
            (true, source) => write!(f, "{source}: {}", self.message),
            (false, Source::Default) => write!(f, "{}: {}", self.setting, self.message),
            (false, source) => write!(f, "{} (from {source}): {}", self.setting, self.message),
        }
    }
}

/// The settings stop the start. All problems are told at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

//! Fixed SQL texts, and the macro that runs one body on either engine.
//!
//! A statement is one text for both engines, or a pair that stands side by side where the engines truly differ.

/// One fixed statement.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// `module.verb`, for logs and for the prepare test.
    pub name: &'static str,
    /// The text PostgreSQL runs.
    pub postgres: &'static str,
    /// The text SQLite runs; the same one unless the engines differ.
    pub sqlite: &'static str,
}

/// Declares the statements of a module and the list of them that the prepare test walks.
///
/// `NAME = "text";` is one text for both. `NAME = postgres: "…", lite: "…";` is a pair. `concat!(…)` may stand for a text.
macro_rules! statements {
    ($($name:ident = $($text:literal)? $(concat!($($piece:tt)+))? $(postgres: $pg:expr, lite: $lite:expr)?;)+) => {
        $(const $name: crate::Statement = crate::Statement {
            name: concat!(module_path!(), "::", stringify!($name)),
            postgres: statements!(@one $($text)? $(concat!($($piece)+))? $($pg)?),
            sqlite: statements!(@one $($text)? $(concat!($($piece)+))? $($lite)?),
        };)+

        /// The fixed statements of this module.
        pub(crate) const STATEMENTS: &[&crate::Statement] = &[$(&$name),+];
    };
    (@one $text:expr) => { $text };
}

/// Runs `$body` with the connection as `$c` and a function `$s` that picks a statement's text, once per engine, and waits for it no longer
/// than a statement may take.
macro_rules! on {
    ($tx:expr, |$c:ident, $s:ident| $body:expr) => {
        match $tx {
            crate::Tx::Postgres(t) => {
                let ($c, bound) = t.parts();
                let $s = |s: crate::Statement| s.postgres;
                bound.wait(async { $body }).await
            }
            crate::Tx::Sqlite(t) => {
                let ($c, bound) = t.parts();
                let $s = |s: crate::Statement| s.sqlite;
                bound.wait(async { $body }).await
            }
        }
    };
}

/// Runs one statement with its binds: `run!(tx, execute NAME, a, b)`, `run!(tx, fetch_optional_as Row, NAME, a)` and so on.
macro_rules! run {
    ($tx:expr, execute, $stmt:expr $(, $arg:expr)* $(,)?) => {
        on!($tx, |c, s| sqlx::query(s($stmt))$(.bind($arg))*.execute(c).await.map(|done| done.rows_affected()))
    };
    ($tx:expr, rows, $stmt:expr $(, $arg:expr)* $(,)?) => {
        on!($tx, |c, s| sqlx::query_as(s($stmt))$(.bind($arg))*.fetch_all(c).await)
    };
    ($tx:expr, row, $stmt:expr $(, $arg:expr)* $(,)?) => {
        on!($tx, |c, s| sqlx::query_as(s($stmt))$(.bind($arg))*.fetch_optional(c).await)
    };
    ($tx:expr, scalar, $stmt:expr $(, $arg:expr)* $(,)?) => {
        on!($tx, |c, s| sqlx::query_scalar(s($stmt))$(.bind($arg))*.fetch_optional(c).await)
    };
    ($tx:expr, scalars, $stmt:expr $(, $arg:expr)* $(,)?) => {
        on!($tx, |c, s| sqlx::query_scalar(s($stmt))$(.bind($arg))*.fetch_all(c).await)
    };
}

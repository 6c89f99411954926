//! The ways a cache can fail. It never carries a URL: those may hold a password.

/// Why the cache could not answer. The caller chooses what a failure means: security checks ask the database
/// instead, rate limits fall back to the process's own memory, plain look-ups count it as a miss.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The configured URL is not one the Redis client understands. The text is left out: it may hold a password.
    #[error("the cache URL is not a usable redis:// address")]
    Url,
    /// The server refused the command or the connection to it failed.
    #[error("the cache server failed")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer came within the deadline of one operation (about one second).
    #[error("the cache did not answer in time")]
    Timeout,
    /// The memory engine holds as much as it may and everything in it is still live. Nothing was recorded.
    #[error("the in-process cache is full")]
    Full,
    /// A key, value or channel name is longer than this room stores.
    #[error("the {what} is longer than {limit} bytes")]
    TooLong {
        /// What was too long: `key` or `value`.
        what: &'static str,
        /// The most that is accepted, in bytes.
        limit: usize,
    },
    /// A value could not be written as JSON.
    #[error("the value cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
}

impl From<redis::RedisError> for CacheError {
    fn from(error: redis::RedisError) -> Self {
        if error.is_timeout() { Self::Timeout } else { Self::Server(Box::new(error)) }
    }
}

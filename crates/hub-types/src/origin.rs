//! Where a request came from, for the audit log and the session list.

/// Where a request came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Client address as text, empty on the command line.
    pub address: String,
    /// `User-Agent`, cut to 300 characters.
    pub user_agent: String,
    /// The request's id.
    pub request_id: String,
}

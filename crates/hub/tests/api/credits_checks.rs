//! The acceptance checks of the credit engine that are tried over HTTP; each test has the number of its check.

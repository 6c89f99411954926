//! The sign-in providers this hub was given.

use std::sync::Arc;

use hub_clients::oauth::OAuthProvider;

use super::SignInError;

/// All sign-in providers of this process, in the order of the settings.
#[derive(Clone, Default)]
pub struct Registry {
    providers: Vec<Arc<dyn OAuthProvider>>,
}

impl Registry {
    /// A registry of these providers.
    pub fn new(providers: Vec<Arc<dyn OAuthProvider>>) -> Self {
        Self { providers }
    }

    /// Their names, for the sign-in page.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|provider| provider.name())
    }

    pub(super) fn find(&self, name: &str) -> Result<&Arc<dyn OAuthProvider>, SignInError> {
        self.providers.iter().find(|provider| provider.name() == name).ok_or(SignInError::UnknownProvider)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

//! The payment provider this hub was given, if any.

use std::sync::Arc;

use hub_clients::pay::{PaymentProvider, SandboxPayments};

use super::settings::samples;
use super::{Package, PaymentsError};
use crate::Hub;

/// Who takes payments for this hub.
#[derive(Clone, Default)]
pub struct Registry {
    provider: Option<Arc<dyn PaymentProvider>>,
    sandbox: Option<Arc<SandboxPayments>>,
}

impl Registry {
    /// Payments by this provider.
    pub fn new(provider: Arc<dyn PaymentProvider>) -> Self {
        Self { provider: Some(provider), sandbox: None }
    }

    /// Payments that are none.
    pub fn sandbox(sandbox: Arc<SandboxPayments>) -> Self {
        Self { provider: Some(Arc::<SandboxPayments>::clone(&sandbox)), sandbox: Some(sandbox) }
    }

    /// Its name, for logs and the start screen.
    pub fn name(&self) -> Option<&'static str> {
        self.provider.as_ref().map(|provider| provider.name())
    }

    pub(super) fn provider(&self) -> Result<&Arc<dyn PaymentProvider>, PaymentsError> {
        self.provider.as_ref().ok_or(PaymentsError::NoProvider)
    }

    pub(super) fn the_sandbox(&self) -> Result<&SandboxPayments, PaymentsError> {
        self.sandbox.as_deref().ok_or(PaymentsError::NotFound)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registry").field(&self.name()).finish()
    }
}

impl Hub {
    /// True where only the sandbox sells, and may not: a provider other than the hub's own can be called, and `payments.sandbox` does not
    /// say that credits may be had for nothing all the same. Judged by what this process knows of providers.
    pub fn payments_are_off(&self) -> bool {
        let allowed = self.settings.payments.sandbox == Some(true);
        self.payments.sandbox.is_some() && !allowed && self.providers.costs_money()
    }

    /// The packages on sale: those of the settings, or samples where only the sandbox sells; none without a payment provider.
    pub fn packages(&self) -> Vec<Package> {
        let own = &self.settings.payments.packages;
        if self.payments.provider.is_none() || self.payments_are_off() {
            Vec::new()
        } else if own.is_empty() && self.payments.sandbox.is_some() {
            samples()
        } else {
            own.clone()
        }
    }
}

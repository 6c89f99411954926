//! Stripe: hosted checkout pages and signed events (providers.md §7.3). The version of its interface is pinned.

use std::fmt;

use futures::future::BoxFuture;
use hub_types::{Clock, Timestamp};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::{EventError, NewCheckout, OpenCheckout, PayError, PaymentEvent, PaymentProvider, event, fetch, signature};

/// Where its interface is.
pub const STRIPE_URL: &str = "https://api.stripe.com";
/// The version that this adapter was written for.
pub const STRIPE_VERSION: &str = "2026-10-28.endive";
/// Pages of events read at most, of 100 each.
const MOST_PAGES: usize = 20;
/// The events a hub hears of; the same should be chosen for the webhook endpoint.
const KINDS: [&str; 13] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "charge.refund.updated",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

/// An account at Stripe.
#[derive(Clone)]
pub struct StripeConfig {
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// The signing secrets of the webhook endpoint, `whsec_…`; two while one is replaced, none where events are not taken.
    pub webhook_secrets: Vec<SecretString>,
    /// The connected account whose events are meant for this hub, `acct_…`; `None` for the key's own.
    pub account: Option<String>,
    /// Everything before `/v1`.
    pub base_url: Url,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StripeConfigError {
    /// Not a secret key.
    #[error("the secret key must begin with sk_ or rk_")]
    Key,
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Client(#[source] crate::llm::TransportError),
}

/// Payments by Stripe.
pub struct StripeProvider {
    config: StripeConfig,
    client: Client,
    clock: Clock,
}

impl fmt::Debug for StripeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeProvider").field("base_url", &self.config.base_url.as_str()).finish_non_exhaustive()
    }
}

impl StripeProvider {
    /// Checks the settings and builds the client; asks nothing yet.
    pub fn new(config: StripeConfig, clock: Clock) -> Result<Self, StripeConfigError> {
        let key = config.secret_key.expose_secret();
        if !(key.starts_with("sk_") || key.starts_with("rk_")) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(StripeConfigError::Key);
        }
        let client = fetch::client().map_err(|error| StripeConfigError::Client(error.into()))?;
        Ok(Self { config, client, clock })
    }

    /// True when the key moves real money.
    fn is_live(&self) -> bool {
        self.config.secret_key.expose_secret().get(2..).is_some_and(|rest| rest.starts_with("_live_"))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.config.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, PayError> {
        let mut request =
            request.bearer_auth(self.config.secret_key.expose_secret()).header("Stripe-Version", STRIPE_VERSION);
        if let Some(account) = &self.config.account {
            request = request.header("Stripe-Account", account);
        }
        fetch::send(request).await
    }

    async fn open_session(&self, order: &NewCheckout) -> Result<OpenCheckout, PayError> {
        let request = self
            .client
            .post(self.url(&["checkout", "sessions"]))
            .header("Idempotency-Key", &order.order)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(order));
        let session = self.ask(request).await?;
        let text = |key: &str| session[key].as_str().map(str::to_owned);
        let (Some(id), Some(url)) = (text("id"), text("url")) else {
            return Err(PayError::Protocol("a session without id or address"));
        };
        let page = url.parse::<Url>().map_err(|_| PayError::Protocol("an address that is none"))?;
        if !matches!(page.scheme(), "https" | "http") || id.len() > 200 {
            return Err(PayError::Protocol("an address that is none"));
        }
        // What it opened must be what was asked for: somebody else's page would take the money.
        if session["client_reference_id"] != order.order.as_str() || session["amount_total"] != order.amount_minor {
            return Err(PayError::Protocol("a session for another order"));
        }
        Ok(OpenCheckout { session: id, url })
    }

    async fn events_since(&self, since: Timestamp) -> Result<Vec<PaymentEvent>, PayError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut url = self.url(&["events"]);
            url.query_pairs_mut()
                .append_pair("limit", "100")
                .append_pair("created[gte]", &since.timestamp().to_string());
            for kind in KINDS {
                url.query_pairs_mut().append_pair("types[]", kind);
            }
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("starting_after", after);
            }
            let page = self.ask(self.client.get(url)).await?;
            let items = page["data"].as_array().ok_or(PayError::Protocol("a list that is none"))?;
            // One that cannot be read must not hide the others.
            let read = items.iter().filter_map(|item| event::from_json(item).ok().flatten());
            // A list that was asked of a connected account names it nowhere.
            all.extend(
                read.map(|event| PaymentEvent {
                    account: event.account.or_else(|| self.config.account.clone()),
                    ..event
                }),
            );
            after = items.last().and_then(|item| item["id"].as_str()).map(str::to_owned);
            if page["has_more"] != true || after.is_none() {
                break;
            }
        }
        all.reverse();
        Ok(all)
    }
}

/// The request: one package, paid once, named by our order wherever it may come back to us.
fn form(order: &NewCheckout) -> String {
    let amount = order.amount_minor.to_string();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([
        ("mode", "payment"),
        ("success_url", &order.success_url),
        ("cancel_url", &order.cancel_url),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", &order.currency),
        ("line_items[0][price_data][unit_amount]", &amount),
        ("line_items[0][price_data][product_data][name]", &order.name),
        ("client_reference_id", &order.order),
        ("metadata[order_id]", &order.order),
        ("payment_intent_data[metadata][order_id]", &order.order),
        ("customer_email", &order.email),
    ]);
    form.finish()
}

impl PaymentProvider for StripeProvider {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn open<'a>(&'a self, order: &'a NewCheckout) -> BoxFuture<'a, Result<OpenCheckout, PayError>> {
        Box::pin(self.open_session(order))
    }

    fn read_event(&self, header: &str, body: &[u8]) -> Result<Option<PaymentEvent>, EventError> {
        signature::verify(&self.config.webhook_secrets, header, body, self.clock.now())?;
        event::parse(body)
    }

    fn takes_events(&self) -> bool {
        self.config.webhook_secrets.iter().any(|secret| !secret.expose_secret().is_empty())
    }

    fn recent_events(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<PaymentEvent>, PayError>> {
        Box::pin(self.events_since(since))
    }

    fn foreign(&self, event: &PaymentEvent) -> Option<&'static str> {
        if event.account != self.config.account {
            Some("it is about another account of the provider")
        } else if event.live == self.is_live() {
            None
        } else {
            Some("test and live mode do not go together")
        }
    }
}

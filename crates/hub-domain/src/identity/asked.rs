//! Mail that anybody may ask for at any address: a link for a forgotten password, the proof of a registration once more.
//!
//! What is asked for is noted as a job and done later. So the answer costs the same whether the address is known or not: whoever measures
//! it learns nothing. Nothing here may look at the database before it answers.

use hub_store::jobs::{self, NewJob};
use hub_store::{StoreError, Tx};
use hub_types::{Email, JobId};
use serde::{Deserialize, Serialize};

use super::{resend, reset};
use crate::{Hub, Origin};

/// The kind of the job. Payload: [`Asked`].
pub(crate) const MAIL_ASKED: &str = "identity.mail_asked";
/// Somebody waits for the mail: after a few minutes it is better asked for again.
const ATTEMPTS: i32 = 5;

/// What a job carries.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Asked {
    what: What,
    email: Email,
    address: String,
    user_agent: String,
    request_id: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    Reset,
    Verification,
}

/// Mails a link for a new password, where there is an account that may have one. The answer never tells which, nor does its time.
pub async fn forgot_password(hub: &Hub, origin: &Origin, email: &Email) -> Result<(), StoreError> {
    note(hub, origin, What::Reset, email).await
}

/// Mails a new code, where there is something to prove and not too many mails went out. The answer never tells which, nor does its time.
pub async fn resend_verification(hub: &Hub, origin: &Origin, email: &Email) -> Result<(), StoreError> {
    note(hub, origin, What::Verification, email).await
}

async fn note(hub: &Hub, origin: &Origin, what: What, email: &Email) -> Result<(), StoreError> {
    let Origin { address, user_agent, request_id } = origin.clone();
    let asked = Asked { what, email: email.clone(), address, user_agent, request_id };
    let job = NewJob {
        id: JobId::new(&hub.clock),
        kind: MAIL_ASKED,
        payload: serde_json::to_value(asked).unwrap_or_default(),
        dedupe_key: None,
        run_at: hub.clock.now(),
        max_attempts: ATTEMPTS,
    };
    let mut tx: Tx = hub.store.write().await?;
    jobs::enqueue(&mut tx, job).await?;
    tx.commit().await
}

/// Does what was asked for. Done twice it mails twice, and only the newer mail works.
pub(crate) async fn run(hub: &Hub, asked: Asked) -> Result<(), StoreError> {
    let Asked { what, email, address, user_agent, request_id } = asked;
    match what {
        What::Reset => reset::mail_link(hub, &Origin { address, user_agent, request_id }, &email).await,
        What::Verification => resend::mail_again(hub, &email).await,
    }
}

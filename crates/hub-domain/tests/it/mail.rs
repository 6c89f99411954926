//! Mail on its way out: what is tried again, what is not, and what a mail may hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hub_clients::mail::{Mail, MailError, Mailer};
use hub_domain::jobs;
use hub_store::jobs as store;

use crate::support::{PASSWORD, TestHub, ada, token_in};

/// Gives one answer after the other, then takes everything.
struct Moody(Mutex<VecDeque<MailError>>);

impl Mailer for Moody {
    fn send(&self, _: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        let answer = self.0.lock().unwrap().pop_front().map_or(Ok(()), Err);
        async { answer }.boxed()
    }

    fn name(&self) -> &'static str {
        "moody"
    }
}

/// A hub with one mail queued.
async fn with(answers: Vec<MailError>) -> TestHub {
    let mut test = TestHub::start().await;
    let hub = Arc::get_mut(&mut test.hub).expect("not shared yet");
    hub.mailer = Arc::new(Moody(Mutex::new(answers.into())));
    let input = hub_domain::identity::Register { email: ada(), password: PASSWORD.to_owned(), name: "Ada".to_owned() };
    hub_domain::identity::register(&test.hub, input).await.unwrap();
    test
}

async fn counts(test: &TestHub) -> (i64, i64) {
    let mut tx = test.hub.store.read().await.unwrap();
    store::counts(&mut tx).await.unwrap()
}

fn away(seconds: Option<u64>) -> MailError {
    MailError::Unavailable { message: "busy".to_owned(), retry_after: seconds.map(Duration::from_secs) }
}

#[tokio::test]
async fn a_mail_refused_for_good_is_tried_once_and_shown_to_operators() {
    let test = with(vec![MailError::Refused("550 no such user".to_owned())]).await;
    assert_eq!(jobs::run_due(&test.hub).await.unwrap(), 1);
    assert_eq!(counts(&test).await, (0, 1));
    let mut tx = test.hub.store.read().await.unwrap();
    let failed = store::list(&mut tx, "failed", None, 10).await.unwrap();
    assert_eq!((failed[0].kind.as_str(), failed[0].attempts), ("mail.send", 1));
    assert!(failed[0].last_error.as_deref().is_some_and(|error| error.contains("550 no such user")));
    drop(tx);
    test.advance(chrono::Duration::days(2));
    assert_eq!(jobs::run_due(&test.hub).await.unwrap(), 0);
}

#[tokio::test]
async fn a_mail_not_taken_now_waits_longer_each_time_and_arrives() {
    let test = with(vec![away(None), away(Some(90))]).await;
    for (pause, left) in [(0, 1), (10, 1), (90, 0)] {
        if pause > 0 {
            test.advance(chrono::Duration::seconds(pause - 1));
            assert_eq!(jobs::run_due(&test.hub).await.unwrap(), 0, "before {pause} s");
            test.advance(chrono::Duration::seconds(1));
        }
        assert_eq!(jobs::run_due(&test.hub).await.unwrap(), 1, "after {pause} s");
        assert_eq!(counts(&test).await, (left, 0), "after {pause} s");
    }
}

#[tokio::test]
async fn a_mail_that_nobody_takes_fails_after_about_a_day() {
    let test = with((0..100).map(|_| away(None)).collect()).await;
    let begun = test.hub.clock.now();
    while counts(&test).await.0 > 0 {
        jobs::run_due(&test.hub).await.unwrap();
        test.advance(chrono::Duration::minutes(10));
    }
    let hours = (test.hub.clock.now() - begun).num_hours();
    assert!((18..30).contains(&hours), "{hours} h");
    assert_eq!(counts(&test).await, (0, 1));
}

#[tokio::test]
async fn links_lead_to_the_configured_address_in_both_forms() {
    let mut test = TestHub::start().await;
    let hub = Arc::get_mut(&mut test.hub).expect("not shared yet");
    hub.settings.identity.public_url = "https://hub.example.com".to_owned();
    let mail = test.register(&ada(), PASSWORD).await;
    let link = format!("https://hub.example.com/verify-email?token={}", token_in(&mail));
    assert!(mail.text.contains(&link), "{}", mail.text);
    let html = mail.html.expect("a page");
    assert!(html.contains(&format!("<a href=\"{link}\">{link}</a>")), "{html}");
    assert_eq!(html.matches("http").count(), 2, "{html}");
}

//! The adapter against a server that plays each part: welcoming, refusing, busy, silent.

mod server;

use std::time::Duration;

use hub_types::Clock;

use super::*;
use server::{Heard, Manners, Server};

fn mailer(server: &Server, login: &str, timeout: Duration) -> SmtpMailer {
    let url = format!("smtp://{login}{}", server.address);
    let sender = Sender { address: "hub@example.com".parse().unwrap(), name: Some("The Hub".to_owned()) };
    let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
    SmtpMailer::new(SmtpConfig::from_url(&url, timeout).unwrap(), &sender, clock).unwrap()
}

fn usual(server: &Server) -> SmtpMailer {
    mailer(server, "", Duration::from_secs(20))
}

fn mail(subject: &str) -> Mail {
    let html = Some("<p>123456</p>".to_owned());
    Mail { to: "ada@example.org".parse().unwrap(), subject: subject.to_owned(), text: "123456\n.\n".to_owned(), html }
}

fn commands(heard: &[Heard], word: &str) -> Vec<String> {
    let command = |one: &Heard| match one {
        Heard::Command(line) if line.starts_with(word) => Some(line.clone()),
        _ => None,
    };
    heard.iter().filter_map(command).collect()
}

#[tokio::test]
async fn a_mail_arrives_with_its_envelope_headers_and_both_texts() {
    let server = Server::start(Manners::default());
    usual(&server).send(mail("Hello")).await.unwrap();
    let heard = server.heard();
    assert_eq!(commands(&heard, "EHLO"), ["EHLO example.com"]);
    assert_eq!(commands(&heard, "MAIL"), ["MAIL FROM:<hub@example.com>"]);
    assert_eq!(commands(&heard, "RCPT"), ["RCPT TO:<ada@example.org>"]);
    let Some(Heard::Mail(text)) = heard.iter().find(|one| matches!(one, Heard::Mail(_))) else { panic!("no mail") };
    for line in [
        "From: \"The Hub\" <hub@example.com>",
        "To: ada@example.org",
        "Subject: Hello",
        "Date: Mon, 23 Nov 2026 10:00:00 +0000",
        "<p>123456</p>",
        // A line that is only a dot must not end the mail (RFC 5321 §4.5.2).
        "..",
    ] {
        assert!(text.lines().any(|found| found == line), "{line:?} is not in {text}");
    }
}

#[tokio::test]
async fn one_connection_serves_many_mails_and_a_lost_one_is_replaced() {
    let server = Server::start(Manners { mails_per_connection: 2, ..Manners::default() });
    let mailer = usual(&server);
    for number in 0..3 {
        mailer.send(mail(&format!("no. {number}"))).await.unwrap();
    }
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|one| **one == Heard::Connection).count(), 2);
    assert_eq!(heard.iter().filter(|one| matches!(one, Heard::Mail(_))).count(), 3);
}

#[tokio::test]
async fn user_and_password_are_shown_to_the_server_and_to_nobody_else() {
    let server = Server::start(Manners::default());
    let mailer = mailer(&server, "ada:hush@", Duration::from_secs(20));
    mailer.send(mail("Hello")).await.unwrap();
    // NUL ada NUL hush in base64 (RFC 4616).
    assert_eq!(commands(&server.heard(), "AUTH"), ["AUTH PLAIN AGFkYQBodXNo"]);
    assert!(!format!("{mailer:?}").contains("hush"));
}

#[tokio::test]
async fn a_wrong_password_is_the_operators_to_mend_and_the_mail_waits() {
    let server = Server::start(Manners { auth: "535 5.7.8 no", ..Manners::default() });
    let error = mailer(&server, "ada:hush@", Duration::from_secs(20)).send(mail("Hello")).await.unwrap_err();
    assert!(
        !error.is_permanent() && error.to_string().contains("535") && !error.to_string().contains("hush"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refusal_for_good_is_told_from_one_for_now() {
    for (manners, permanent, word) in [
        (Manners { rcpt: "550 5.1.1 no such user", ..Manners::default() }, true, "no such user"),
        (Manners { rcpt: "450 4.2.0 greylisted", ..Manners::default() }, false, "greylisted"),
        (Manners { data: "554 5.7.1 looks like spam", ..Manners::default() }, true, "spam"),
        (Manners { data: "452 4.3.1 disk is full", ..Manners::default() }, false, "disk"),
    ] {
        let server = Server::start(manners);
        let error = usual(&server).send(mail("Hello")).await.unwrap_err();
        assert_eq!((error.is_permanent(), error.to_string().contains(word)), (permanent, true), "{error}");
    }
}

#[tokio::test]
async fn a_refused_mail_does_not_disturb_the_next_one() {
    let server = Server::start(Manners::default());
    let mailer = usual(&server);
    assert!(matches!(mailer.send(mail("x\r\nBcc: eve@example.com")).await, Err(MailError::Invalid(_))));
    mailer.send(mail("Hello")).await.unwrap();
    assert_eq!(commands(&server.heard(), "MAIL").len(), 1);
}

#[tokio::test]
async fn a_silent_or_absent_server_is_given_up_in_time() {
    let server = Server::start(Manners { silent: true, ..Manners::default() });
    let error = mailer(&server, "", Duration::from_millis(200)).send(mail("Hello")).await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    let error = usual(&Server::absent()).ping().await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail_where_tls_is_asked_for() {
    let server = Server::start(Manners::default());
    let url = format!("smtp://{}?tls=required", server.address);
    let config = SmtpConfig::from_url(&url, Duration::from_secs(20)).unwrap();
    let sender = Sender { address: "hub@example.com".parse().unwrap(), name: None };
    let mailer = SmtpMailer::new(config, &sender, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap();
    assert!(!mailer.send(mail("Hello")).await.unwrap_err().is_permanent());
    assert!(commands(&server.heard(), "MAIL").is_empty());
}

#[tokio::test]
async fn a_ping_signs_in_and_sends_nothing() {
    let server = Server::start(Manners::default());
    mailer(&server, "ada:hush@", Duration::from_secs(20)).ping().await.unwrap();
    let heard = server.heard();
    assert_eq!((commands(&heard, "AUTH").len(), commands(&heard, "MAIL").len()), (1, 0));
}

//! The adapter against a service that answers what a test wants to hear.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

/// Request line and headers in lower case, and the body.
struct Seen {
    head: String,
    body: Value,
}

struct Service {
    address: SocketAddr,
    seen: Receiver<Seen>,
}

impl Service {
    /// Answers one request and ends.
    fn once(answer: String) -> Self {
        Self::start(Some(answer))
    }

    /// Without an answer it listens and says nothing until the client goes away.
    fn start(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (report, seen) = channel();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = report.send(read_request(&mut socket));
            match answer {
                Some(answer) => drop(socket.write_all(answer.as_bytes())),
                None => drop(socket.read(&mut [0; 64])),
            }
        });
        Self { address, seen }
    }

    fn mailer(&self) -> SendGridMailer {
        let config = SendGridConfig {
            api_key: "SG.hush".into(),
            base_url: format!("http://{}/relay/", self.address).parse().unwrap(),
            timeout: Duration::from_secs(1),
        };
        let sender = Sender { address: "hub@example.com".parse().unwrap(), name: Some("The Hub".to_owned()) };
        SendGridMailer::new(config, &sender, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap()
    }
}

fn read_request(socket: &mut TcpStream) -> Seen {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = socket.read(&mut buffer).unwrap_or(0);
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if count == 0 || (text.contains("\r\n\r\n") && body.len() >= length) {
            return Seen { body: serde_json::from_str(body).unwrap_or_default(), head };
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

fn mail() -> Mail {
    Mail {
        to: "ada@example.org".parse().unwrap(),
        subject: "Grüße".to_owned(),
        text: "code 123456".to_owned(),
        html: Some("<p>123456</p>".to_owned()),
    }
}

async fn refused(status: &str, headers: &str, body: &str) -> MailError {
    Service::once(answer(status, headers, body)).mailer().send(mail()).await.unwrap_err()
}

#[tokio::test]
async fn a_mail_is_one_request_without_tracking() {
    let service = Service::once(answer("202 Accepted", "x-message-id: m1\r\n", ""));
    service.mailer().send(mail()).await.unwrap();
    let Seen { head, body } = service.seen.recv().unwrap();
    assert!(head.starts_with("post /relay/v3/mail/send http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer sg.hush"), "{head}");
    let wanted = json!({
        "personalizations": [{ "to": [{ "email": "ada@example.org" }] }],
        "from": { "email": "hub@example.com", "name": "The Hub" },
        "subject": "Grüße",
        "content": [
            { "type": "text/plain", "value": "code 123456" },
            { "type": "text/html", "value": "<p>123456</p>" },
        ],
        "tracking_settings": { "click_tracking": { "enable": false }, "open_tracking": { "enable": false } },
    });
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let body =
        r#"{"errors":[{"message":"The from address does not match a verified\nSender Identity","field":"from"}]}"#;
    let error = refused("403 Forbidden", "", body).await;
    assert!(error.is_permanent());
    let text = error.to_string();
    assert!(text.contains("403 The from address does not match a verified Sender Identity (from)"), "{text}");
    for status in ["400 Bad Request", "401 Unauthorized", "413 Payload Too Large"] {
        assert!(refused(status, "", "not json").await.is_permanent(), "{status}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_after_the_pause_asked_for() {
    for status in ["500 Oops", "503 Away", "408 Slow"] {
        let error = refused(status, "", "").await;
        assert!(!error.is_permanent() && error.retry_after().is_none(), "{status}: {error}");
    }
    // 10:00:30 of the test's day.
    let reset = Clock::fixed_at("2026-11-23T10:00:30Z").now().timestamp();
    let busy = refused("429 Too Many Requests", &format!("x-ratelimit-reset: {reset}\r\n"), "").await;
    assert_eq!((busy.is_permanent(), busy.retry_after()), (false, Some(Duration::from_secs(30))));
    let busy = refused("429 Too Many Requests", "retry-after: 7\r\n", "").await;
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_our_key() {
    let error = refused("302 Found", "location: http://127.0.0.1:1/\r\n", "").await;
    assert!(error.to_string().contains("302"), "{error}");
}

#[tokio::test]
async fn a_silent_or_absent_service_is_given_up_in_time_and_its_error_shows_no_key() {
    let silent = Service::start(None).mailer().send(mail()).await.unwrap_err();
    assert!(!silent.is_permanent() && silent.to_string().contains("in time"), "{silent}");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = Service { address: gone, seen: channel().1 }.mailer();
    let error = absent.send(mail()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(!format!("{absent:?} {error:?}").contains("hush"));
}

#[tokio::test]
async fn a_ping_asks_whether_the_key_may_send() {
    let fits = Service::once(answer("200 OK", "", r#"{"scopes":["mail.send","user.profile.read"]}"#));
    fits.mailer().ping().await.unwrap();
    assert!(fits.seen.recv().unwrap().head.starts_with("get /relay/v3/scopes "));
    let narrow = Service::once(answer("200 OK", "", r#"{"scopes":["user.profile.read"]}"#));
    assert!(narrow.mailer().ping().await.unwrap_err().to_string().contains("mail.send"));
    let wrong = Service::once(answer("401 Unauthorized", "", r#"{"errors":[{"message":"authorization required"}]}"#));
    assert!(wrong.mailer().ping().await.unwrap_err().to_string().contains("authorization required"));
}

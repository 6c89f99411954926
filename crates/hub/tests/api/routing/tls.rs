//! Providers whose certificate proves nothing: nobody is asked, nothing is charged, and the operator is told why.

use std::sync::Arc;

use chrono::Duration;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::task::AbortOnDropHandle;

use super::upstream::Upstream;
use super::{alias, ask, balance, chat, only_receipt, plain, priced, told};

/// A certificate that signs itself, one whose time is over, and one of another name, each with its key.
const CERTIFICATES: [(&str, &[u8]); 3] = [
    ("self-signed", include_bytes!("testdata/self_signed.pem")),
    ("expired", include_bytes!("testdata/expired.pem")),
    ("of another name", include_bytes!("testdata/other_name.pem")),
];

/// A server that shows this certificate and hears nobody who minds; its address, and the server.
async fn server(pem: &[u8]) -> (String, AbortOnDropHandle<()>) {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    let tasks = tokio_util::task::TaskTracker::new();
    let serving = tasks.spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(socket).await.is_err(), "a call was made over a line that proves nothing");
        }
    });
    (url, AbortOnDropHandle::new(serving))
}

on_both_pairs! {
    async fn a_certificate_that_proves_nothing_ends_the_try_and_is_named(pair: Pair) {
        for (what, pem) in CERTIFICATES {
            let (url, _serving) = server(pem).await;
            let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
            let hub = builder.provider(plain("up", &url)).start().await;
            let ada = hub.user("ada").await;
            let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
            // Asking again would not make it another one.
            assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up certificate"], "{what}");
            assert!(!failed.text().contains("the-key") && !failed.text().contains("localhost"), "{}", failed.text());
            assert_eq!(balance(&hub, &ada).await["balance"], 100);
            assert_eq!(only_receipt(&hub, &ada).await["amount"], 0);
            hub.take_errors();
            hub.finish().await;
        }
    }

    async fn another_provider_answers_and_the_breaker_leaves_the_false_one_alone(pair: Pair) {
        let (url, _serving) = server(CERTIFICATES[0].1).await;
        let good = Upstream::plays([]).await;
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "false", "m", 1000);
            priced(settings, "good", "m", 1000);
            alias(settings, "both", &[("false", "m", 0), ("good", "m", 1)]);
            settings.routing.breaker.calls = 3;
        });
        let hub = builder.provider(plain("false", &url)).provider(plain("good", &good.url)).start().await;
        let ada = hub.user("ada").await;
        for n in 0..5 {
            let answer = chat(&hub, &ada, &ask("both", &json!({}))).await.expect(200);
            let receipt = super::receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
            let first = if n < 3 { "false certificate" } else { "false breaker_open" };
            // A provider whose breaker is open may be left out before the call is begun.
            let attempts = told(&receipt["attempts"]);
            assert_eq!((attempts[0].as_str(), attempts.last().unwrap().as_str()), (first, "good ok"), "{n}");
        }
        assert_eq!(good.requests().len(), 5);
        hub.advance(Duration::seconds(31));
        let answer = chat(&hub, &ada, &ask("both", &json!({}))).await.expect(200);
        let receipt = super::receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!(told(&receipt["attempts"]), ["false certificate", "good ok"]);
        hub.take_errors();
        hub.finish().await;
    }
}

//! One hub of several processes: the same answers as from one.

mod postgres_redis {
    use hub_testkit::{Collector, Pair, SentSpan};
    use serde_json::{Value, json};

    use crate::binary::{Server, client, hub_with, text};

    #[test]
    fn a_gateway_and_its_services_answer_as_one_hub() {
        hub_testkit::run(Pair::PostgresRedis, async |_| {
            let directory = tempfile::tempdir().expect("a directory");
            let data = directory.path().join("data");
            let environment = hub_testkit::servers();
            let collector = Collector::start().await;
            let mut variables: Vec<(&str, &str)> =
                environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
            variables.extend([
                ("JWT_SECRET", "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ"),
                ("HUB__SANDBOX__ENABLED", "true"),
                ("HUB__SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
            ]);
            let command = |arguments: &[&str]| -> Value {
                let output = hub_with(&data, &[arguments, &["--json"]].concat(), &variables);
                assert!(output.status.success(), "{}", text(&output.stderr));
                serde_json::from_slice(&output.stdout).expect("JSON")
            };
            command(&["admin", "create-user", "--email", "ann@example.com"]);
            command(&["admin", "grant-credits", "--email", "ann@example.com", "--amount", "5"]);
            let key = command(&["admin", "create-key", "--email", "ann@example.com", "--name", "x"]);
            let key = key["key"].as_str().expect("a key");

            let services = Server::start(&data, &["--roles", "auth,core"], &variables);
            let models = Server::start(&data, &["--roles", "mcp,worker"], &variables);
            let (services_url, models_url) = (services.address.clone(), models.address.clone());
            variables.extend([
                ("HUB__UPSTREAMS__AUTH", services_url.as_str()),
                ("HUB__UPSTREAMS__CORE", &services_url),
                ("HUB__UPSTREAMS__MCP", &models_url),
            ]);
            let gateway = Server::start(&data, &["--roles", "gateway"], &variables);

            let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "Hello" }] });
            let chat = client().post(gateway.url("/v1/chat/completions")).bearer_auth(key).json(&body).send().await;
            assert_eq!(chat.expect("an answer").status(), 200);
            let balance =
                client().get(gateway.url("/api/credits/balance")).bearer_auth(key).send().await.expect("an answer");
            let balance: Value = balance.json().await.expect("JSON");
            assert!(balance["balance"].as_f64().is_some_and(|amount| amount < 5.0), "{balance}");
            let stranger = client().get(gateway.url("/api/auth/me")).send().await.expect("an answer");
            assert_eq!(stranger.status(), 401);
            // A service reached directly is as safe, and serves only what is its own.
            let direct = client().get(format!("{services_url}/api/credits/balance")).send().await.expect("an answer");
            assert_eq!(direct.status(), 401);
            let foreign =
                client().get(format!("{services_url}/v1/models")).bearer_auth(key).send().await.expect("an answer");
            assert_eq!(foreign.status(), 404);
            for server in [gateway, services, models] {
                assert!(server.stop().0.success());
            }
            // One trace leads through both processes, and all of it was sent before they ended.
            let spans = collector.spans();
            let call = spans.iter().find(|span| span.name == "chat sandbox").expect("the span of the call");
            let parent = |id: &str| spans.iter().find(|span| span.id == id).expect("a parent");
            let (inner, outer) = (parent(&call.parent), parent(&parent(&call.parent).parent));
            let named = |span: &SentSpan| (span.name.clone(), span.trace.clone());
            assert_eq!(named(inner), ("POST /v1/chat/completions".to_owned(), call.trace.clone()));
            assert_eq!(named(outer), ("POST /v1/*".to_owned(), call.trace.clone()));
            assert!(outer.parent.is_empty());
            let report = hub_with(&data, &["ledger", "verify"], &variables);
            assert!(report.status.success(), "{}", text(&report.stdout));
        });
    }

    #[test]
    fn a_gateway_that_does_not_know_where_a_role_is_says_so() {
        hub_testkit::run(Pair::PostgresRedis, async |_| {
            let directory = tempfile::tempdir().expect("a directory");
            let environment = hub_testkit::servers();
            let mut variables: Vec<(&str, &str)> =
                environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
            variables.push(("JWT_SECRET", "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ"));
            let arguments = ["serve", "--roles", "gateway,auth", "--listen", "127.0.0.1:0"];
            let output = hub_with(&directory.path().join("data"), &arguments, &variables);
            let said = text(&output.stderr);
            assert!(!output.status.success() && said.contains("HUB__UPSTREAMS__CORE"), "{said}");
        });
    }
}

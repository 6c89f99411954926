//! The document and the doors: every operation it lists is tried as nobody, member, another member, manager, administrator, with a narrow
//! key and by somebody switched off, and must answer as `access_matrix.json` says. An operation that is not in the matrix fails, so nobody adds one without deciding who may use it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use axum::http::Method;
use hub_domain::keys::{self, NewKey};
use hub_testkit::{TestHub, TestRequest, TestUser, on_both_pairs};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{disable, told};

/// The committed document, which clients are generated from.
const COMMITTED: &str = include_str!("../../../../openapi/hub.json");
/// Who may do what, by `METHOD /path`.
const MATRIX: &str = include_str!("access_matrix.json");
/// No account has this id.
const NO_ONE: &str = "018f0000-0000-7000-8000-000000000000";

/// One line of the matrix: what is sent, and the status each caller gets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// True where no credential is needed; must agree with the lists of the edges and with the document.
    #[serde(default)]
    public: bool,
    /// Where the path has parameters: a path with them filled in. `{target}` stands for a member made for this one request.
    path: Option<String>,
    /// What is sent. `{user}`, `{email}`, `{password}` and `{refreshToken}` stand for the caller's own.
    body: Option<Value>,
    nobody: u16,
    user: u16,
    manager: u16,
    admin: u16,
    /// A member's key with the one scope `models:read`.
    narrow: u16,
    /// Another member who sends what the first one would: as `user` where it is not given.
    other: Option<u16>,
    /// Somebody switched off, with the tokens from before: 401 where it is not given, on public operations as `nobody`.
    disabled: Option<u16>,
}

fn matrix() -> BTreeMap<String, Row> {
    serde_json::from_str(MATRIX).unwrap()
}

impl Row {
    fn expected(&self) -> [(&'static str, u16); 7] {
        let worthless = if self.public { self.nobody } else { 401 };
        [
            ("nobody", self.nobody),
            ("user", self.user),
            ("other", self.other.unwrap_or(self.user)),
            ("manager", self.manager),
            ("admin", self.admin),
            ("narrow", self.narrow),
            ("disabled", self.disabled.unwrap_or(worthless)),
        ]
    }

    /// The path with this account in the place of `{target}`.
    fn path(&self, operation: &str, target: &str) -> String {
        let path = self.path.as_deref().unwrap_or_else(|| operation.split_once(' ').unwrap().1);
        path.replace("{target}", target)
    }

    /// True where each request needs an account of its own to work on.
    fn has_target(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.contains("{target}"))
    }

    fn request(&self, hub: &TestHub, operation: &str, who: &TestUser, target: &str) -> TestRequest {
        let (method, _) = operation.split_once(' ').unwrap();
        let request = hub.request(method.parse().unwrap(), &self.path(operation, target));
        let Some(body) = &self.body else { return request };
        let body = body.to_string();
        let body = body.replace("{user}", &who.id.to_string()).replace("{email}", who.email.as_str());
        let body = body.replace("{password}", &who.password).replace("{refreshToken}", &who.refresh_token);
        request.header("content-type", "application/json").body(body)
    }
}

async fn document(hub: &TestHub) -> Value {
    hub.get("/api/openapi.json").send().await.expect(200).json()
}

/// `METHOD /path` and the operation, for all of the document.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    all.collect()
}

async fn narrow_key(hub: &TestHub, user: &TestUser) -> String {
    let operator = hub::first_start::operator().unwrap();
    let new = NewKey { name: "narrow".to_owned(), scopes: vec!["models:read".to_owned()], ..NewKey::default() };
    keys::create_for(&hub.hub, &operator, user.id, new).await.unwrap().key
}

on_both_pairs! {
    async fn the_committed_document_is_the_one_that_is_served(pair) {
        let hub = TestHub::start(pair).await;
        let committed: Value = serde_json::from_str(COMMITTED).unwrap();
        assert!(document(&hub).await == committed, "openapi/hub.json is out of date: run `cargo xtask openapi`");
        hub.finish().await;
    }

    async fn the_matrix_and_the_document_and_the_lists_of_public_routes_agree(pair) {
        let hub = TestHub::start(pair).await;
        let (document, matrix) = (document(&hub).await, matrix());
        let documented: BTreeSet<String> = operations(&document).into_iter().map(|(name, _)| name).collect();
        let decided: BTreeSet<String> = matrix.keys().cloned().collect();
        assert_eq!(documented, decided, "access_matrix.json must name every operation and no other");

        let edges = [hub_auth::PUBLIC, hub_core::PUBLIC, hub_mcp::PUBLIC, hub_mcp::OPTIONAL];
        let open: BTreeSet<String> =
            edges.into_iter().flatten().map(|(method, path)| format!("{method} {path}")).collect();
        let public: BTreeSet<String> =
            matrix.iter().filter(|(_, row)| row.public).map(|(name, _)| name.clone()).collect();
        assert_eq!(open, public);
        let without =
            |operation: &Value| operation["security"].as_array().is_some_and(|list| list.contains(&json!({})));
        let said: BTreeSet<String> = operations(&document)
            .into_iter()
            .filter(|(_, operation)| without(operation))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(said, public, "`security(())` stands on public operations and nowhere else");
        hub.finish().await;
    }

    async fn no_two_parts_say_different_things_under_one_name(pair) {
        let hub = TestHub::start(pair).await;
        let clashes = hub_web::openapi::clashes(&hub::compose::parts(&hub.hub));
        assert!(clashes.is_empty(), "{clashes:#?}");
        hub.finish().await;
    }

    async fn every_operation_has_a_name_a_summary_and_an_answer(pair) {
        let hub = TestHub::start(pair).await;
        let document = document(&hub).await;
        let mut names = HashSet::new();
        for (operation, described) in operations(&document) {
            let name = described["operationId"].as_str().unwrap_or_default();
            assert!(
                !name.is_empty() && names.insert(name),
                "{operation}: the operationId {name:?} is missing or stands twice"
            );
            assert!(described["summary"].as_str().is_some_and(|text| !text.is_empty()), "{operation} has no summary");
            assert!(described["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{operation}");
            assert!(described["responses"].as_object().unwrap().keys().any(|status| status < &"400".to_owned()));
            let in_path: BTreeSet<&str> =
                operation.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            let parameters = described["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let described: BTreeSet<&str> =
                parameters.iter().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(in_path, described, "{operation}");
        }
        hub.finish().await;
    }

    async fn every_caller_gets_what_the_matrix_says(pair) {
        let hub = TestHub::start(pair).await;
        let (mut user, mut manager, mut admin) = (hub.user("user").await, hub.manager().await, hub.admin().await);
        let narrow = narrow_key(&hub, &user).await;
        let (mut other, gone) = (hub.user("other").await, hub.user("gone").await);
        disable(&hub, gone.id).await;
        let (mut wrong, mut targets) = (Vec::new(), 0);
        for (operation, row) in matrix() {
            for (caller, expected) in row.expected() {
                // Each with a session of its own, because some operations end it.
                for who in [&mut user, &mut other, &mut manager, &mut admin] {
                    hub.sign_in(who).await;
                }
                let who = match caller {
                    "manager" => &manager,
                    "admin" => &admin,
                    "disabled" => &gone,
                    _ => &user,
                };
                let mut target = NO_ONE.to_owned();
                if row.has_target() {
                    targets += 1;
                    target = hub.user(&format!("target-{targets}")).await.id.to_string();
                }
                let request = row.request(&hub, &operation, who, &target);
                let request = match caller {
                    "nobody" => request,
                    "narrow" => request.bearer(&narrow),
                    "other" => request.bearer(&other.access_token),
                    _ => request.bearer(&who.access_token),
                };
                let answer = request.send().await;
                if answer.status.as_u16() != expected {
                    let said = answer.text();
                    wrong.push(format!("{operation} as {caller}: {} instead of {expected}: {said}", answer.status));
                }
                if answer.status.as_u16() >= 400 {
                    told(&answer);
                    assert_eq!(answer.header("www-authenticate"), if answer.status == 401 { "Bearer" } else { "" });
                }
                // Keys to check tokens with are for everybody and may be kept for a while.
                let kept = if operation == "GET /.well-known/jwks.json" { "public, max-age=300" } else { "no-store" };
                assert_eq!(answer.header("cache-control"), kept, "{operation}");
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        hub.finish().await;
    }

    async fn nothing_that_is_not_public_answers_to_nobody(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for (operation, row) in matrix() {
            if row.public {
                assert_ne!(row.nobody, 401, "{operation} is called public and is not");
                continue;
            }
            assert_eq!(row.nobody, 401, "{operation} is not called public");
            // Without a body, with nonsense, with the right one: nobody learns what an operation takes.
            let (method, _) = operation.split_once(' ').unwrap();
            let path = &row.path(&operation, NO_ONE);
            let bare = hub.request(method.parse().unwrap(), path).send().await.expect(401);
            let nonsense = hub
                .request(method.parse().unwrap(), path)
                .header("content-type", "application/json")
                .body("{")
                .send()
                .await;
            let right = row.request(&hub, &operation, &ada, NO_ONE).send().await;
            assert_eq!((told(&bare), told(&nonsense)), (told(&right), told(&right)), "{operation}");
            assert_eq!(bare.header("www-authenticate"), "Bearer");
            if method == "GET" {
                hub.request(Method::HEAD, path).send().await.expect(401);
            }
            for spelling in [
                format!("{path}/"),
                path.to_uppercase(),
                path.replacen('/', "//", 1),
                format!("{path}%00"),
                format!("/x/..{path}"),
            ] {
                let status = hub.request(method.parse().unwrap(), &spelling).send().await.status.as_u16();
                assert!([400, 401, 404].contains(&status), "{method} {spelling}: {status}");
            }
        }
        hub.finish().await;
    }

    async fn every_operation_refuses_a_forged_credential(pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let (head, _) = ada.access_token.rsplit_once('.').unwrap();
        let (forged, refresh_token) = (format!("{head}.{}", "A".repeat(43)), ada.refresh_token.clone());
        for (operation, row) in matrix() {
            for credential in
                [forged.as_str(), "sk_0000000000000000000000000000000000000000000", "nonsense", &refresh_token]
            {
                let answer = row.request(&hub, &operation, &ada, NO_ONE).bearer(credential).send().await;
                hub.sign_in(&mut ada).await;
                // Where everybody may come in, a worthless credential is at best as good as none: who signs in again still sends the
                // old one.
                if row.public {
                    let status = answer.status.as_u16();
                    assert!([row.nobody, 401].contains(&status), "{operation} with {credential}: {}", answer.text());
                } else {
                    assert_eq!(answer.status, 401, "{operation} with {credential}: {}", answer.text());
                }
            }
        }
        hub.finish().await;
    }

    async fn a_method_that_an_address_does_not_take_is_told_so_to_everybody(pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let document = document(&hub).await;
        for (path, methods) in document["paths"].as_object().unwrap() {
            let filled = path.replace("{id}", NO_ONE);
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                if methods.get(method.as_str().to_lowercase()).is_some() {
                    continue;
                }
                for credential in [None, Some(&admin.access_token)] {
                    let mut request = hub.request(method.clone(), &filled);
                    if let Some(credential) = credential {
                        request = request.bearer(credential);
                    }
                    let refused = request.send().await;
                    assert_eq!(refused.status, 405, "{method} {path}");
                    let allowed: Vec<&str> = refused.header("allow").split(',').map(str::trim).collect();
                    for taken in methods.as_object().unwrap().keys() {
                        assert!(allowed.contains(&taken.to_uppercase().as_str()), "{method} {path}: {allowed:?}");
                    }
                }
            }
        }
        hub.finish().await;
    }
}

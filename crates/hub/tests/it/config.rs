//! Where settings come from, and what is said when they are wrong.

use std::path::Path;

use hub::config::sections::ProviderKind;
use hub::config::{self, ConfigError, Environment, Loaded, Lookup, Source};

const SECRET: &str = "7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ";

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("hub.toml"), file).expect("the file is written");
    let lookup = Lookup { file: None, data_dir: directory.path(), listen: None };
    config::load(&lookup, &Environment::of(variables.iter().copied()))
}

fn problems(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables).expect_err("the settings are refused").to_string()
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let file = "[limits]\nguest_per_minute = 11\nuser_per_minute = 12\n[credits]\nwelcome = 0.5\n";
    let loaded =
        load(file, &[("HUB__LIMITS__USER_PER_MINUTE", "13"), ("HUB__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1/128")]);
    let loaded = loaded.expect("good settings");
    let limits = &loaded.settings.limits;
    assert_eq!((limits.guest_per_minute, limits.user_per_minute, limits.manager_per_minute), (11, 13, 120));
    assert_eq!(loaded.settings.credits.welcome.to_string(), "0.5");
    assert_eq!(loaded.settings.server.trusted_proxies.len(), 2);
    assert!(matches!(loaded.source("limits.guest_per_minute"), Source::File(_)));
    assert_eq!(loaded.source("limits.user_per_minute"), Source::Variable("HUB__LIMITS__USER_PER_MINUTE".to_owned()));
    assert_eq!(loaded.source("limits.manager_per_minute"), Source::Default);
}

#[test]
fn plain_names_are_understood_and_the_explicit_form_wins() {
    let url = ("DATABASE_URL", "postgres://a/b");
    let loaded =
        load("", &[url, ("JWT_SECRET", SECRET), ("LOG_LEVEL", "debug"), ("HUB__LOG__LEVEL", "warn")]).expect("good");
    assert!(!loaded.settings.is_embedded() && !loaded.settings.offers_sandbox());
    assert_eq!(loaded.settings.log.level, "warn");
    assert!(load("", &[("HUB__SANDBOX__ENABLED", "")]).expect("an empty variable is none").settings.offers_sandbox());
}

#[test]
fn every_problem_is_told_at_once_with_name_source_and_what_is_allowed() {
    let file = "[limits]\nguest_per_minut = 5\n[server]\nlisten = \"nowhere\"\ndrain_seconds = 9000\n";
    let text = problems(
        file,
        &[("HUB__LOG__FORMAT", "xml"), ("HUB__SERVR__LISTEN", "x"), ("HUB__LIMITS__USER_PER_MINUTE", "many")],
    );
    for expected in [
        "limits.guest_per_minut (from ",
        "hub.toml): is not a setting; [limits] has: admin_per_minute, guest_per_minute, manager_per_minute, models, roles, user_per_minute",
        "server.listen (from ",
        "server.drain_seconds (from ",
        "is 9000, must be 0 to 300",
        "log.format (from HUB__LOG__FORMAT): unknown variant `xml`, expected one of `auto`, `json`, `pretty`",
        "servr.listen (from HUB__SERVR__LISTEN): is not a setting; the settings have: audit, cache, credits, database",
        "limits.user_per_minute (from HUB__LIMITS__USER_PER_MINUTE): must be a whole number",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line_and_not_quoted() {
    let text = problems("[security]\njwt_secret = hush hush\n", &[]);
    assert!(text.contains("hub.toml: line 2 is not TOML") && !text.contains("hush"), "{text}");
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let lookup = Lookup { file: Some(Path::new("/nowhere/hub.toml")), data_dir: Path::new("/nowhere"), listen: None };
    let text = config::load(&lookup, &Environment::default()).expect_err("refused").to_string();
    assert!(text.contains("/nowhere/hub.toml: cannot be read"), "{text}");
}

#[test]
fn secrets_are_never_quoted() {
    let file = "[security]\njwt_secret = 4711471147114711\n[ops]\ntoken = [\"hush\"]\n[[providers]]\nname = \"a\"\nbase_url = \"https://a.b\"\napi_key = 123454321\n";
    let text = problems(file, &[("DATABASE_URL", "mysql://hub:hush@db/hub")]);
    for secret in ["4711", "hush", "12345"] {
        assert!(!text.contains(secret), "{text}");
    }
    for setting in ["security.jwt_secret", "ops.token", "providers[0].api_key", "database.url"] {
        assert!(text.contains(setting), "{setting} is missing in {text}");
    }
    let loaded = load("", &[("JWT_SECRET", SECRET)]).expect("good settings");
    assert!(!format!("{:?}", loaded.settings).contains(SECRET));
}

#[test]
fn weak_and_copied_secrets_are_refused() {
    for weak in
        ["short", "change-me: the output of openssl rand -base64 48", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    {
        assert!(problems("", &[("JWT_SECRET", weak)]).contains("security.jwt_secret (from JWT_SECRET)"), "{weak}");
    }
    assert!(problems("", &[("HUB__OPS__TOKEN", "change-me: 16 characters or more")]).contains("ops.token"));
}

#[test]
fn postgres_needs_a_secret_that_all_processes_share() {
    let text = problems("", &[("DATABASE_URL", "postgres://a/b")]);
    assert!(
        text.contains("security.jwt_secret: is required with PostgreSQL") && text.contains("openssl rand"),
        "{text}"
    );
    let bcrypt =
        [("DATABASE_URL", "postgres://a/b"), ("JWT_SECRET", SECRET), ("HUB__IDENTITY__PASSWORDS__ALGORITHM", "bcrypt")];
    assert!(problems("", &bcrypt).contains("security.password_pepper"));
}

#[test]
fn origins_and_addresses_must_be_exact() {
    for bad in ["*", "null", "https://a.b/", "a.b", "https://a.b/path", "https://*.b"] {
        assert!(load("", &[("HUB__SERVER__CORS_ORIGINS", bad)]).is_err(), "{bad}");
    }
    assert!(load("", &[("HUB__SERVER__CORS_ORIGINS", "https://a.b,http://localhost:5173")]).is_ok());
    for bad in ["ftp://a.b", "https://a.b/", "a.b"] {
        assert!(load("", &[("HUB__IDENTITY__PUBLIC_URL", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn the_public_address_follows_the_listener_unless_it_is_set() {
    let loaded = load("[server]\nlisten = \"127.0.0.1:4000\"", &[]).expect("good settings");
    assert_eq!(loaded.settings.identity.public_url, "http://127.0.0.1:4000");
    let loaded = load("[identity]\npublic_url = \"https://hub.example.com\"", &[]).expect("good settings");
    assert_eq!(loaded.settings.identity.public_url, "https://hub.example.com");
}

#[test]
fn openai_variables_make_or_complete_a_provider() {
    let loaded = load("", &[("OPENAI_API_KEY", "sk-1")]).expect("good settings");
    let [provider] = loaded.settings.providers.as_slice() else { panic!("one provider") };
    assert_eq!((provider.name.as_str(), provider.base_url.as_str()), ("openai", "https://api.openai.com/v1"));
    let file = "[[providers]]\nname = \"local\"\nbase_url = \"http://l/v1\"\n[[providers]]\nname = \"openai\"\nbase_url = \"https://o/v1\"\n";
    let loaded = load(file, &[("OPENAI_API_KEY", "sk-1")]).expect("good settings");
    let shown: Vec<_> =
        loaded.settings.providers.iter().map(|p| (p.name.as_str(), p.base_url.as_str(), p.api_key.is_some())).collect();
    assert_eq!(shown, [("local", "http://l/v1", false), ("openai", "https://o/v1", true)]);
    let text = problems("", &[("OPENAI_BASE_URL", "not an address")]);
    assert!(text.contains("providers[0].base_url (from OPENAI_BASE_URL)"), "{text}");
}

#[test]
fn anthropic_variables_make_a_provider_after_openais() {
    let variables = [("ANTHROPIC_API_KEY", "sk-ant-1"), ("OPENAI_API_KEY", "sk-1")];
    let loaded = load("", &variables).expect("good settings");
    let shown: Vec<_> =
        loaded.settings.providers.iter().map(|p| (p.name.as_str(), p.kind, p.base_url.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("openai", ProviderKind::Openai, "https://api.openai.com/v1"),
            ("anthropic", ProviderKind::Anthropic, "https://api.anthropic.com/"),
        ]
    );
    let text = problems("", &[("OPENAI_API_KEY", "sk-1"), ("ANTHROPIC_BASE_URL", "not an address")]);
    assert!(text.contains("providers[1].base_url (from ANTHROPIC_BASE_URL)"), "{text}");
    let file = "[[providers]]\nname = \"anthropic\"\nkind = \"openai\"\nbase_url = \"https://o/v1\"\n";
    let loaded = load(file, &[("ANTHROPIC_API_KEY", "sk-ant-1")]).expect("good settings");
    assert_eq!(loaded.settings.providers[0].kind, ProviderKind::Openai, "what the file says stays");
}

#[test]
fn providers_are_checked_by_place() {
    let entry = |name: &str| format!("[[providers]]\nname = \"{name}\"\nbase_url = \"http://a/v1\"\n");
    let text = problems(&(entry("twin") + &entry("twin") + &entry("sandbox") + &entry("No Good")), &[]);
    for expected in ["providers[1].name", "must be unique", "providers[2].name", "sandbox", "providers[3].name"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    assert!(problems("[[providers]]\nname = \"x\"\n", &[]).contains("missing field `base_url`"));
    for (wrong, setting, message) in [
        ("wires = [\"completions\"]", "wires", "must have chat or responses among them"),
        ("wires = [\"chat\", \"chat\"]", "wires", "must name each wire once"),
        ("wires = [\"smoke\"]", "wires", "unknown variant `smoke`"),
        ("hosted_tools = [\"Web Search\"]", "hosted_tools", "must be at most 20 types of tools"),
        ("kind = \"anthropic\"\nwires = [\"chat\"]", "wires", "is for OpenAI's protocol only"),
    ] {
        let text = problems(&format!("{}{wrong}\n", entry("x")), &[]);
        assert!(text.contains(&format!("providers[0].{setting}")) && text.contains(message), "{text}");
    }
}

#[test]
fn printing_masks_every_secret_and_names_the_sources() {
    let file = format!(
        "[security]\njwt_secret = \"{SECRET}\"\npassword_pepper = \"hush-hush-hush-hush-hush-hush-hush\"\n[ops]\ntoken = \"hush-hush-hush-hush\"\n\
         [[providers]]\nname = \"a\"\nbase_url = \"https://a/v1\"\napi_key = \"hush\"\n"
    );
    let loaded =
        load(&file, &[("DATABASE_URL", "postgres://hub:hush@db/hub"), ("REDIS_URL", "redis://:hush@cache:6379")]);
    let shown = loaded.expect("good settings").shown();
    let (text, json) = (shown.to_string(), serde_json::to_string(&shown).expect("JSON"));
    for printed in [&text, &json] {
        assert!(!printed.contains("hush") && !printed.contains(SECRET), "{printed}");
        for word in ["postgres://hub:***@db/hub", "redis://:***@cache:6379", "guest_per_minute", "DATABASE_URL"] {
            assert!(printed.contains(word), "{word} is missing in {printed}");
        }
    }
}

#[test]
fn google_needs_no_more_than_what_its_console_gives() {
    let variables = [("GOOGLE_CLIENT_ID", "id"), ("GOOGLE_CLIENT_SECRET", "hush")];
    let loaded = load("", &variables).expect("good settings");
    let google = &loaded.settings.oauth[0];
    assert!(google.name == "google" && google.is_google() && google.client_secret.is_some());
    assert!(!format!("{:?} {}", loaded.settings, loaded.shown()).contains("hush"));
    // The file's entry is completed, and keeps what it says.
    let file = "[[oauth]]\nname = \"sora2\"\nclient_id = \"x\"\nissuer = \"https://s.example\"\n[[oauth]]\nname = \"google\"\nclient_id = \"old\"\nscopes = [\"openid\"]";
    let loaded = load(file, &variables).expect("good settings");
    let google = &loaded.settings.oauth[1];
    assert_eq!((google.client_id.as_str(), google.scopes.len(), loaded.settings.oauth.len()), ("id", 1, 2));
    // A google of somebody's own is not Google.
    let file = "[[oauth]]\nname = \"google\"\nclient_id = \"x\"\nissuer = \"https://idp.example\"";
    assert!(!load(file, &[]).expect("good settings").settings.oauth[0].is_google());
    for name in ["session", "password", "Sora 2", ""] {
        let text = problems(&format!("[[oauth]]\nname = \"{name}\"\nclient_id = \"x\""), &[]);
        assert!(text.contains("oauth[0].name"), "{text}");
    }
}

#[test]
fn mail_leaves_the_way_that_is_set_up() {
    use hub::config::sections::MailTransport::{Outbox, Sendgrid, Smtp};
    let from = ("HUB__MAIL__FROM", "hub@example.com");
    let (smtp, key) = (("SMTP_URL", "smtps://hub:hush@mail.example.com"), ("SENDGRID_API_KEY", "SG.hush"));
    for (variables, transport) in [
        (&[][..], Outbox),
        (&[from, smtp][..], Smtp),
        (&[from, key], Sendgrid),
        (&[from, smtp, key, ("HUB__MAIL__TRANSPORT", "smtp")], Smtp),
        (&[smtp, ("HUB__MAIL__TRANSPORT", "outbox")], Outbox),
    ] {
        let loaded = load("", variables).expect("good settings");
        assert_eq!(loaded.settings.mail.transport(), transport, "{variables:?}");
        assert!(!loaded.shown().to_string().contains("hush"));
    }
}

#[test]
fn mail_settings_that_cannot_work_are_refused_without_showing_a_secret() {
    let from = ("HUB__MAIL__FROM", "hub@example.com");
    let (smtp, key) = (("SMTP_URL", "smtps://hub:hush@mail.example.com"), ("SENDGRID_API_KEY", "SG.hush"));
    for (variables, expected) in [
        (&[smtp][..], "mail.from: is required"),
        (&[from, smtp, key], "mail.transport: is needed to choose"),
        (&[from, ("HUB__MAIL__TRANSPORT", "smtp")], "mail.smtp_url: is required for smtp"),
        (&[from, ("HUB__MAIL__TRANSPORT", "sendgrid")], "mail.sendgrid_api_key: is required for sendgrid"),
        (&[from, ("SMTP_URL", "smtp://hub:hush@mail.example.com?tls=none")], "may do without TLS only on this machine"),
        (&[from, key, ("HUB__MAIL__SENDGRID_URL", "http://mail.example.com")], "must be an https address"),
        (&[("HUB__MAIL__TIMEOUT_SECONDS", "60")], "is 60, must be 1 to 25"),
        (&[("HUB__AUDIT__KEEP_DAYS", "-1")], "audit.keep_days (from HUB__AUDIT__KEEP_DAYS)"),
    ] {
        let text = problems("", variables);
        assert!(text.contains(expected), "{expected} is missing in {text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn payments_that_cannot_work_are_said_before_the_start() {
    let sells = ("STRIPE_SECRET_KEY", "sk_test_x");
    let loaded = load("", &[sells]).expect("good settings");
    assert!(loaded.warnings.iter().any(|warning| warning.contains("stripe.webhook_secret is not set")));
    let whole = load("", &[sells, ("STRIPE_WEBHOOK_SECRET", "whsec_0123456789")]).expect("good settings");
    assert!(whole.warnings.is_empty() && !whole.settings.plays_payments());
    let file = "[[payments.packages]]\nid = \"A b\"\nname = \"\"\ncredits = 0\nprice_minor = 0\ncurrency = \"USD\"\n";
    let text = problems(file, &[("STRIPE_SECRET_KEY", "pk_live_hush"), ("STRIPE_WEBHOOK_SECRET", "hush")]);
    for expected in [
        "payments.packages[0].id (from",
        "payments.packages[0].name (from",
        "payments.packages[0].credits (from",
        "payments.packages[0].price_minor (from",
        "payments.packages[0].currency (from",
        "stripe.secret_key (from STRIPE_SECRET_KEY): must begin with sk_ or rk_",
        "stripe.webhook_secret (from STRIPE_WEBHOOK_SECRET): must have at least 16 characters",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn nobody_gives_themselves_credits_that_cost_the_operator_money() {
    let plays = |file: &str, variables: &[(&str, &str)]| {
        load(file, variables).expect("good settings").settings.plays_payments()
    };
    assert!(plays("", &[]) && !plays("[sandbox]\nenabled = false\n", &[]));
    assert!(!plays("", &[("OPENAI_API_KEY", "sk-x")]));
    assert!(plays("[payments]\nsandbox = true\n", &[("OPENAI_API_KEY", "sk-x")]));
}

#[test]
fn prices_that_cannot_be_meant_stop_the_start() {
    let price = |text: &str| format!("[[pricing.models]]\nservice = \"own\"\nmodel = \"m\"\n{text}\n");
    for (text, expected) in [
        ("input = -1\noutput = 1", "pricing.models[0] (from"),
        ("input = -1\noutput = 1", "input is below zero"),
        ("input = 0\noutput = 0", "calls would be free; set allow_unusual = true"),
        ("input = 15000000\noutput = 60", "input is above 100000 credits"),
        ("input = -1\noutput = 1\nallow_unusual = true", "input is below zero"),
    ] {
        let found = problems(&price(text), &[]);
        assert!(found.contains(expected), "{expected} is not in {found}");
    }
    let twice = price("input = 1\noutput = 1") + &price("input = 2\noutput = 2");
    assert!(problems(&twice, &[]).contains("pricing.models[1] (from"));
    load(&price("input = 0\noutput = 0\nallow_unusual = true"), &[]).expect("free on purpose");
}

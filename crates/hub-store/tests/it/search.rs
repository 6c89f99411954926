//! Looking for text finds the same rows on both engines: any letters in any case, and signs as they are.

use hub_store::audit::{self, Entry, Filter};
use hub_store::{Store, Tx};
use hub_types::AuditId;

use crate::audit::{entry, insert};
use crate::support::{clock, now};

const TEXTS: [&str; 6] = [
    "Überweisung Nr. 7",
    "École des Mines",
    "ΩΜΈΓΑ and Привет",
    r"100% [a-z]*? ^$ (x|y){2} back\slash_!",
    "\u{1f680} straße",
    "ABC",
];

async fn found(tx: &mut Tx, text: &str) -> Vec<String> {
    let filter = Filter { text: Some(text.to_owned()), ..Filter::default() };
    let rows =
        audit::list(tx, &filter, (now() + chrono::Duration::days(1), AuditId::new(&clock())), 100).await.unwrap();
    rows.into_iter().map(|row| row.user_agent).collect()
}

both! {
    async fn letters_are_found_in_every_case_and_signs_as_they_are(store: Store) {
        let rows: Vec<Entry> = TEXTS.iter().map(|text| Entry { user_agent: (*text).to_owned(), ..entry("test.search", now()) }).collect();
        insert(&store, &rows).await;
        let mut tx = store.read().await.unwrap();
        for (text, expected) in [
            ("überweisung", 0), ("ÜBERWEISUNG NR", 0), ("Überweisung", 0), ("école", 1), ("ÉCOLE", 1), ("ωμέγα", 2), ("ПРИВЕТ", 2),
            ("100%", 3), ("[A-Z]", 3), ("*?", 3), ("^$", 3), ("(x|y){2}", 3), (r"K\S", 3), ("_!", 3), ("\u{1f680}", 4), ("STRAßE", 4), ("abc", 5),
        ] {
            assert_eq!(found(&mut tx, text).await, [TEXTS[expected]], "{text}");
        }
        // No sign stands for any other, and an accent is not nothing.
        for nothing in ["a%c", "a_c", "a.c", "a*c", "a?c", "[abc]", "^ABC", "ABC$", "A|B", "ecole", "***", r"\d", "%"] {
            let only = found(&mut tx, nothing).await;
            assert!(only.iter().all(|text| text.contains(nothing)), "{nothing}: {only:?}");
        }
        for text in TEXTS {
            for length in 1..=text.chars().count() {
                let part: String = text.chars().take(length).collect();
                assert!(found(&mut tx, &part).await.contains(&text.to_owned()), "{part}");
            }
        }
    }
}

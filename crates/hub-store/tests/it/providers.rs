//! Rows of providers: what nobody said stays apart from an empty list.

use hub_store::Store;
use hub_store::providers::{self, ProviderRow};

use crate::support::now;

both! {
    async fn a_row_comes_back_as_it_was_written(store: Store) {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let silent = ProviderRow {
            name: "a".to_owned(),
            kind: Some("openai".to_owned()),
            service: "openai".to_owned(),
            base_url: "https://a.example/v1".to_owned(),
            priority: Some(100),
            enabled: true,
            max_concurrent: None,
            requests_per_minute: Some(0),
            tokens_per_minute: None,
            wires: None,
            hosted_tools: None,
        };
        let said = ProviderRow { wires: Some(list(&["chat"])), hosted_tools: Some(list(&["web_search", "mcp"])), ..silent.clone() };
        let nothing = ProviderRow { wires: Some(list(&["chat", "responses"])), hosted_tools: Some(list(&[])), ..silent.clone() };
        for row in [&silent, &said, &nothing, &silent] {
            let mut tx = store.write().await.unwrap();
            providers::put(&mut tx, row, now()).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = store.read().await.unwrap();
            assert_eq!(providers::all(&mut tx).await.unwrap(), std::slice::from_ref(row));
        }
    }
}

//! Requests that ask for too much or hide something.

use hub_testkit::{TestHub, on_both_pairs};

on_both_pairs! {
    async fn hdr_03_a_page_of_no_or_of_too_many_rows_is_refused(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        for path in ["/api/credits/transactions", "/api/keys", "/api/users/me/audit", "/api/admin/audit", "/api/admin/jobs"] {
            for query in ["limit=0", "limit=-1", "limit=101", "limit=4294967296", "limit=1e2", "limit=", "offset=-1", "cursor=%00"] {
                let refused = hub.get(&format!("{path}?{query}")).bearer(&admin.access_token).send().await;
                assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (400, "VALIDATION_ERROR"), "{path}?{query}");
            }
            hub.get(&format!("{path}?limit=100")).bearer(&admin.access_token).send().await.expect(200);
        }
        hub.finish().await;
    }

    async fn res_02_a_compressed_body_is_not_unpacked(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        // Ten million zeros, as gzip would begin them; what follows does not matter, because nobody unpacks it.
        let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xed; 10_000]].concat();
        for path in ["/api/auth/login", "/api/keys", "/v1/chat/completions", "/api/mcp/chat"] {
            let request = hub.post(path).bearer(&ada.access_token).header("content-type", "application/json");
            let refused = request.header("content-encoding", "gzip").body(bomb.clone()).send().await;
            assert!([400, 415].contains(&refused.status.as_u16()), "{path}: {}", refused.text());
        }
        hub.finish().await;
    }
}

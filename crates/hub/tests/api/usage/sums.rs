//! Chart = table = log = export = ledger.

use std::collections::BTreeMap;

use chrono::Duration;
use hub_domain::credits::sweep_all;
use hub_domain::{jobs, usage};
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::{Credits, TokenUsage};

use super::kit::{agree, begin, call, classes, end, get, key_of, ledger, micro, sum, wait_until};

/// Around midnight of Kiritimati, Pago Pago, Berlin and New York, and in the hours that come twice.
const MOMENTS: [&str; 16] = [
    "2027-10-30T09:59:59.999999Z",
    "2027-10-30T10:00:00Z",
    "2027-10-30T10:59:59.999999Z",
    "2027-10-30T11:00:00Z",
    "2027-10-30T21:59:59.999999Z",
    "2027-10-30T22:00:00Z",
    "2027-10-31T00:30:00Z",
    "2027-10-31T01:30:00Z",
    "2027-10-31T22:59:59.999999Z",
    "2027-10-31T23:00:00Z",
    "2027-11-07T03:59:59.999999Z",
    "2027-11-07T04:00:00Z",
    "2027-11-07T05:30:00Z",
    "2027-11-07T06:30:00Z",
    "2027-11-08T04:59:59.999999Z",
    "2027-11-08T05:00:00Z",
];

/// Calls by local day.
const DAYS: [(&str, &[(&str, i64)]); 5] = [
    (
        "Pacific/Kiritimati",
        &[("2027-10-30", 1), ("2027-10-31", 7), ("2027-11-01", 2), ("2027-11-07", 4), ("2027-11-08", 2)],
    ),
    (
        "Pacific/Pago_Pago",
        &[("2027-10-29", 3), ("2027-10-30", 5), ("2027-10-31", 2), ("2027-11-06", 4), ("2027-11-07", 2)],
    ),
    ("Europe/Berlin", &[("2027-10-30", 5), ("2027-10-31", 4), ("2027-11-01", 1), ("2027-11-07", 4), ("2027-11-08", 2)]),
    (
        "America/New_York",
        &[("2027-10-30", 8), ("2027-10-31", 2), ("2027-11-06", 1), ("2027-11-07", 4), ("2027-11-08", 1)],
    ),
    (
        "Asia/Kathmandu",
        &[("2027-10-30", 4), ("2027-10-31", 4), ("2027-11-01", 2), ("2027-11-07", 4), ("2027-11-08", 2)],
    ),
];

fn days(list: &[(&str, i64)]) -> BTreeMap<String, i64> {
    list.iter().map(|(day, calls)| ((*day).to_owned(), *calls)).collect()
}

on_both_pairs! {
    async fn chart_table_log_export_and_ledger_agree_in_every_time_zone(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let key = key_of(&hub, &ada).await;
        for (number, moment) in (0_i64..).zip(MOMENTS) {
            wait_until(&hub, moment);
            let (key, model) = if number % 3 == 0 { (None, "sandbox") } else { (Some(key), "sandbox-b") };
            call(&hub, &ada, key, model, 1000 + number).await;
            if number == 8 {
                usage::roll_up(&hub.hub).await.unwrap();
            }
        }
        wait_until(&hub, "2027-11-08T23:00:00Z");
        hub.sign_in(&mut ada).await;
        let token = &ada.access_token;
        // First half closed and half not, then all closed.
        for _ in 0..2 {
            for (zone, expected) in DAYS {
                let query = format!("tz={zone}&from=2027-10-28&to=2027-11-10");
                assert_eq!(agree(&hub, token, &query).await, days(expected), "{zone}");
            }
            let totals = get(&hub, token, "/api/usage/summary?from=2027-01-01&to=2028-01-01").await;
            assert_eq!(micro(&totals["totals"]["credits"]), ledger(&hub, token).await);
            usage::roll_up(&hub.hub).await.unwrap();
        }
        // Ends that lie within a quarter of an hour cut it where they say.
        let cut = agree(&hub, token, "from=2027-10-30T09:59:59.999999Z&to=2027-10-30T10:59:59.999999Z").await;
        assert_eq!(cut, days(&[("2027-10-30", 2)]));
        let hours = get(&hub, token, "/api/usage/timeseries?interval=hour&tz=Europe/Berlin&from=2027-10-31&to=2027-11-01").await;
        let hours = hours["buckets"].as_array().unwrap();
        let twice: Vec<_> = hours.iter().filter(|hour| hour["calls"] == 1).map(|hour| hour["start"].as_str().unwrap()).collect();
        assert_eq!(hours.len(), 25);
        assert_eq!(twice, [
            "2027-10-31T00:00:00+02:00", "2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00", "2027-10-31T23:00:00+01:00",
        ]);
        hub.finish().await;
    }

    async fn tokens_of_every_class_are_the_same_in_chart_table_log_and_export(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let mut running = begin(&hub, &ada, None, "sandbox", 0, Duration::minutes(1)).await;
        running.usage = TokenUsage {
            input: 1, cache_read: 2, cache_write: 4, cache_write_long: 8, input_audio: 16, input_image: 32, output: 64, reasoning: 128,
            output_audio: 256, output_image: 512,
        };
        end(&hub, running).await;
        for _ in 0..2 {
            assert_eq!(agree(&hub, &ada.access_token, "from=2026-11-23").await, days(&[("2026-11-23", 1)]));
            let summary = get(&hub, &ada.access_token, "/api/usage/summary").await;
            assert_eq!(classes(&summary["totals"]), [1 + 16 + 32, 2, 4 + 8, 64 + 256 + 512, 128]);
            hub.advance(Duration::days(2));
            usage::roll_up(&hub.hub).await.unwrap();
            hub.sign_in(&mut ada).await;
        }
        hub.finish().await;
    }

    async fn the_dearest_ten_have_lines_and_all_others_one(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut admin = hub.admin().await;
        let mut users = Vec::new();
        for number in 0..12 {
            let user = hub.user(&format!("user{number}")).await;
            let key = key_of(&hub, &user).await;
            call(&hub, &user, Some(key), &format!("model-{number}"), 100 + number).await;
            users.push(user);
        }
        hub.advance(Duration::hours(3));
        // The dearest of all has no key, so it has no line among keys.
        call(&hub, &users[0], None, "model-0", 2000).await;
        for rolled_up in [false, true] {
            if rolled_up {
                hub.advance(Duration::days(2));
                usage::roll_up(&hub.hub).await.unwrap();
            }
            hub.sign_in(&mut admin).await;
            let token = &admin.access_token;
            for zone in ["Asia/Kathmandu", "Pacific/Kiritimati"] {
                assert_eq!(agree(&hub, token, &format!("tz={zone}")).await.values().sum::<i64>(), 13);
            }
            for (group, dearest) in [("model", 2120), ("user", 2120), ("key", 121)] {
                let found = get(&hub, token, &format!("/api/usage/timeseries?interval=hour&from=2026-11-22&groupBy={group}")).await;
                let (series, buckets) = (found["series"].as_array().unwrap(), found["buckets"].as_array().unwrap());
                assert_eq!(series.len(), 11, "{group}");
                assert_eq!(sum(&series[0]["totals"]).1, dearest, "{group}");
                for (place, bucket) in buckets.iter().enumerate() {
                    let lines: i64 = series.iter().map(|line| micro(&line["credits"][place])).sum();
                    assert_eq!(lines, micro(&bucket["credits"]), "{group}, {bucket}");
                }
            }
        }
        hub.finish().await;
    }

    async fn what_settles_late_is_counted_once_and_at_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        call(&hub, &ada, None, "sandbox", 100).await;
        hub.advance(Duration::minutes(5));
        let late = begin(&hub, &ada, None, "sandbox", 2000, Duration::days(30)).await;
        let swept = begin(&hub, &ada, None, "sandbox", 3000, Duration::minutes(1)).await;
        hub.advance(Duration::minutes(5));
        sweep_all(&hub.hub).await.unwrap();
        hub.advance(Duration::days(2));
        hub.sign_in(&mut ada).await;
        usage::roll_up(&hub.hub).await.unwrap();
        let query = "from=2026-11-23&to=2026-11-26";
        let check = async |calls: i64| {
            let found = agree(&hub, &ada.access_token, query).await;
            assert_eq!(found, days(&[("2026-11-23", calls)]));
            let totals = get(&hub, &ada.access_token, &format!("/api/usage/summary?{query}")).await;
            assert_eq!(micro(&totals["totals"]["credits"]), ledger(&hub, &ada.access_token).await);
            sum(&totals["totals"]).1
        };
        // The swept call is there, and cost nothing as far as anybody knew.
        assert_eq!(check(2).await, 110);
        end(&hub, late).await;
        assert_eq!(check(3).await, 110 + 2010);
        end(&hub, swept).await;
        assert_eq!(check(3).await, 110 + 2010 + 3010);
        for _ in 0..2 {
            usage::roll_up(&hub.hub).await.unwrap();
            assert_eq!(check(3).await, 110 + 2010 + 3010);
        }
        hub.finish().await;
    }

    async fn retention_takes_calls_and_leaves_sums(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.usage.keep_days = 35).start().await;
        let mut ada = hub.user_with_credits("ada", Credits::whole(500)).await;
        call(&hub, &ada, None, "sandbox", 1000).await;
        wait_until(&hub, "2026-12-31T23:59:59Z");
        call(&hub, &ada, None, "sandbox", 2000).await;
        wait_until(&hub, "2027-01-01T00:00:00Z");
        call(&hub, &ada, None, "sandbox", 3000).await;
        // Nothing is deleted that is not added up.
        wait_until(&hub, "2027-02-10T12:00:00Z");
        hub.sign_in(&mut ada).await;
        let token = &ada.access_token;
        jobs::upkeep(&hub.hub).await.unwrap();
        let all = "from=2026-11-01&to=2027-03-01";
        assert_eq!(agree(&hub, token, all).await.len(), 3);

        usage::roll_up(&hub.hub).await.unwrap();
        jobs::upkeep(&hub.hub).await.unwrap();
        let kept = "from=2027-01-01&to=2027-03-01";
        assert_eq!(agree(&hub, token, kept).await, days(&[("2027-01-01", 1)]));
        let logs = get(&hub, token, &format!("/api/usage/logs?{all}")).await;
        assert_eq!(logs["logs"].as_array().unwrap().len(), 1);
        let totals = get(&hub, token, &format!("/api/usage/summary?{all}")).await;
        assert_eq!((sum(&totals["totals"]).0, micro(&totals["totals"]["credits"])), (3, ledger(&hub, token).await));
        let months = get(&hub, token, &format!("/api/usage/timeseries?interval=month&{all}")).await;
        let calls: Vec<_> = months["buckets"].as_array().unwrap().iter().map(|month| month["calls"].clone()).collect();
        assert_eq!(calls, [1, 1, 1, 0]);
        call(&hub, &ada, None, "sandbox", 10).await;
        assert_eq!(agree(&hub, token, kept).await.len(), 2);
        hub.finish().await;
    }
}

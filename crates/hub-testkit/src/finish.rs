//! What must be true after every test.

use std::time::Duration;

use hub_domain::credits::{self, Depth};
use hub_store::{holds, jobs};

use crate::{Pair, TestHub, errors};

/// What running calls and connections may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

impl TestHub {
    /// Stops the hub as the binary does and asserts: the ledger is clean, no hold is open, no job is left or has failed, nothing logged an
    /// error.
    pub async fn finish(mut self) {
        self.finished = true;
        self.hub.tasks.stop().cancel();
        self.connections.close();
        let ended = async { tokio::join!(self.hub.tasks.drain(), self.connections.wait()) };
        let ended = tokio::time::timeout(PATIENCE, ended).await.is_ok();
        assert!(ended, "{} tasks and {} connections do not end", self.hub.tasks.running(), self.connections.len());
        self.run_jobs().await;

        let hub = &self.hub;
        let mut tx = hub.store.read().await.expect("the database answers");
        let (waiting, failed) = jobs::counts(&mut tx).await.expect("jobs are counted");
        let open = holds::count_open(&mut tx).await.expect("holds are counted");
        drop(tx);
        let report =
            credits::verify(&hub.store, &hub.prices, &hub.clock, Depth::Full).await.expect("the ledger is read");
        // On SQLite a sibling shares the connections: the last one closes them by being dropped.
        if self.pair() == Pair::PostgresRedis {
            hub.store.close().await;
        }
        assert_eq!((waiting, failed), (0, 0), "jobs waiting and failed");
        assert_eq!(open, 0, "holds are open");
        let faults: Vec<_> = report.checks.iter().filter(|check| !check.faults.is_empty()).collect();
        assert!(report.clean, "the ledger is not clean: {faults:#?}");
        let errors = errors::take();
        assert!(errors.is_empty(), "errors were logged: {errors:#?}");
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "a test must end with `hub.finish().await`");
    }
}

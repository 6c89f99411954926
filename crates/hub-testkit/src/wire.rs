//! A wire to a server of the tests that can be cut, silenced and mended, for tests of a hub that loses its cache or its database.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use url::Url;

/// Bytes passed on at once.
const PIECE: usize = 16 * 1024;

/// A forwarder in front of a server. It ends with the test's runtime.
#[derive(Debug)]
pub struct Wire {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
}

/// What a wire does.
#[derive(Debug, Clone, Copy)]
struct State {
    /// It ends what comes.
    cut: bool,
    /// Nothing reaches the server.
    asks: bool,
    /// Nothing comes back from it.
    answers: bool,
    /// Connections of an earlier generation stay silent for ever.
    generation: usize,
}

const WHOLE: State = State { cut: false, asks: true, answers: true, generation: 0 };

impl Wire {
    /// Lays a wire to the server of this address; `port` is that of its kind.
    pub(crate) async fn to(server: &Url, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let there = (server.host_str().expect("a host").to_owned(), server.port().unwrap_or(port));
        let (state, watched) = watch::channel(WHOLE);
        let (tasks, each) = (TaskTracker::new(), TaskTracker::new());
        tasks.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (there, mut watched) = (there.clone(), watched.clone());
                each.spawn(async move {
                    let carried = carry(near, there, watched.clone());
                    tokio::select! {
                        () = carried => {}
                        _ = watched.wait_for(|state| state.cut) => {}
                    }
                });
            }
        });
        Self { address, state }
    }

    /// Ends all connections and lets no new one through.
    pub fn cut(&self) {
        self.change(|state| state.cut = true);
    }

    /// Swallows everything in both directions and ends nothing, as a network does that lost its way.
    pub fn silence(&self) {
        self.change(|state| (state.asks, state.answers) = (false, false));
    }

    /// Lets everything through to the server and nothing back.
    pub fn lose_answers(&self) {
        self.change(|state| state.answers = false);
    }

    /// Lets everything through again; what was swallowed arrives late.
    pub fn mend(&self) {
        self.change(|state| *state = State { generation: state.generation, ..WHOLE });
    }

    /// Lets new connections through again; neither side of the old ones hears of the other any more, nor that it is gone.
    pub fn mend_for_new_ones(&self) {
        self.change(|state| *state = State { generation: state.generation + 1, ..WHOLE });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }
}

async fn carry(near: TcpStream, there: (String, u16), mut state: watch::Receiver<State>) {
    let generation = state.borrow_and_update().generation;
    let asks = move |state: &State| state.asks && state.generation == generation;
    let answers = move |state: &State| state.answers && state.generation == generation;
    if state.wait_for(asks).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(there).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::join!(pass(from_near, to_far, state.clone(), asks), pass(from_far, to_near, state, answers));
}

/// Passes bytes on, and the end of them, while it may.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    may: impl Fn(&State) -> bool,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await.unwrap_or(0);
        if state.wait_for(&may).await.is_err() || count == 0 || to.write_all(&piece[..count]).await.is_err() {
            return;
        }
    }
}

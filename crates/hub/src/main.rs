//! The hub. Everything is in the library; this only hands over the arguments and the environment.

use std::process::ExitCode;

use hub::config::Environment;

/// A call makes and frees thousands of small things on several threads, and a stream keeps a few of them for minutes: the C library's allocator
/// spent a fifth of a call's time on that, and left gaps between what stays (`docs/decisions/0043-connections-that-cost-little.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hub::cli::main(std::env::args_os(), &Environment::of_process())
}

//! The hub. Everything is in the library; this only hands over the arguments and the environment.

use std::process::ExitCode;

use hub::config::Environment;

fn main() -> ExitCode {
    hub::cli::main(std::env::args_os(), &Environment::of_process())
}

//! The baseline: nginx as a plain proxy with kept connections, one worker per core, no buffering and no log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use super::Target;
use super::client::{Call, Connection};
use crate::interrupt::Interrupt;
use crate::process::Running;
use crate::{servers, tools};

const READY_WITHIN: Duration = Duration::from_secs(10);

/// A running nginx. Dropping it ends it.
pub(super) struct Nginx {
    address: SocketAddr,
    running: Running,
    _directory: TempDir,
}

impl Nginx {
    pub(super) fn start(upstream: SocketAddr, interrupt: &Interrupt) -> Result<Self> {
        let places = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin"), PathBuf::from("/opt/homebrew/bin")];
        let program = tools::ensure("nginx", &["nginx-light"], || tools::find("nginx", &places))?;
        let directory = tempfile::Builder::new().prefix("hub-bench-nginx-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], servers::free_port()?));
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, settings(address, upstream, &directory.path().display().to_string()))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(directory.path()).arg("-c").arg(&file).arg("-e").arg("stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut running = Running::start(&mut command, "QUIT")?;
        let (started, call) = (Instant::now(), Call::whole(address, "none"));
        while Connection::open(&call).and_then(|mut connection| connection.send(&call)).is_err() {
            interrupt.check()?;
            if running.ended()?.is_some() || started.elapsed() > READY_WITHIN {
                bail!("nginx did not start");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { address, running, _directory: directory })
    }

    pub(super) fn target(&self) -> Target {
        Target {
            name: "nginx",
            address: self.address,
            bearer: "none".to_owned(),
            own: vec![self.running.id()],
            stores: Vec::new(),
        }
    }
}

fn settings(address: SocketAddr, upstream: SocketAddr, directory: &str) -> String {
    format!(
        "daemon off;\nworker_processes auto;\npid {directory}/nginx.pid;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {directory}/body;\n  proxy_temp_path {directory}/proxy;\n  \
         fastcgi_temp_path {directory}/fastcgi;\n  uwsgi_temp_path {directory}/uwsgi;\n  scgi_temp_path {directory}/scgi;\n  \
         keepalive_requests 1000000;\n  upstream model {{ server {upstream}; keepalive 256; keepalive_requests 1000000; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://model;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n      proxy_buffering off;\n    }}\n  }}\n}}\n"
    )
}

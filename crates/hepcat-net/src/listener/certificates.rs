use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use crate::tls::{Fingerprint, ServerTls, TlsError};

/// The certificates that a TLS listener shows to new connections. Those that are open keep theirs.
#[derive(Debug)]
pub(super) struct Certificates {
    files: ServerTls,
    current: ArcSwap<ServerConfig>,
    /// What the files looked like when they were last read, taken into use or not.
    seen: Mutex<Fingerprint>,
}

impl Certificates {
    /// Reads the files.
    pub(super) fn new(files: ServerTls) -> Result<Self, TlsError> {
        // Looked at before they are read: a change in between is then noticed later.
        let seen = files.fingerprint();
        let current = files.load()?;
        Ok(Self {
            files,
            current: ArcSwap::new(current),
            seen: Mutex::new(seen),
        })
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again. What cannot be used is not taken into use.
    pub(super) fn reload(&self, counters: &Counters) -> Result<(), TlsError> {
        let mut seen = self.seen.lock();
        *seen = self.files.fingerprint();
        match self.files.load() {
            Ok(config) => {
                self.current.store(config);
                counters.reloaded();
                tracing::info!("certificates read again");
                Ok(())
            }
            Err(error) => {
                let text = describe(&error);
                tracing::warn!(error = %text, "certificates cannot be used, the old ones stay");
                counters.reload_failed(&text);
                Err(error)
            }
        }
    }

    fn have_changed(&self) -> bool {
        *self.seen.lock() != self.files.fingerprint()
    }

    /// How often [`watch`](Self::watch) is to look at the files, `None` for never.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.files.reload_every()
    }

    /// Reads the files again whenever they changed, until told to stop.
    pub(super) async fn watch(
        self: Arc<Self>,
        interval: Duration,
        counters: Arc<Counters>,
        stop: CancellationToken,
    ) {
        while stop
            .run_until_cancelled(tokio::time::sleep(interval))
            .await
            .is_some()
        {
            let (this, counters) = (Arc::clone(&self), Arc::clone(&counters));
            let look = move || {
                if this.have_changed() {
                    // Counted, logged, and kept for whoever looks at the statistics.
                    drop(this.reload(&counters));
                }
            };
            if tokio::task::spawn_blocking(look).await.is_err() {
                return;
            }
        }
    }
}

/// The error and what caused it, on one line.
fn describe(error: &TlsError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

use std::{
    convert::Infallible, future, io, num::NonZeroU32, pin::pin, sync::Arc, time::SystemTime,
};

use hepcat_wire::{DecodeError, Deframer, DeframerConfig, OnGarbage};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Duration, Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    config::{OnBadMagic, StreamOptions},
    counters::Counters,
    intake::Intake,
    progress::{Progress, ReadEvent},
    stats::CloseReason,
};
use crate::{Handler, Origin};

/// Octets that are read at once. About a hundred frames: the cost of a read is spread thin, and what was read
/// is still in the cache when it is decoded.
const READ: usize = 64 * 1024;

/// Octets that are still read when the listener stops: what the peer was told had arrived, up to this.
const LAST_OCTETS: usize = 4 << 20;

/// Reads one connection, plain or decrypted, to its end.
#[derive(Debug)]
pub(super) struct Connection<S, H> {
    stream: S,
    deframer: Deframer,
    origin: Arc<Origin>,
    intake: Intake<H>,
    progress: Progress,
    max_bad_frames: Option<NonZeroU32>,
    errors_in_a_row: u32,
    keep_alive_octets: u64,
}

impl<S: AsyncRead + Unpin, H: Handler> Connection<S, H> {
    pub(super) fn new(
        stream: S,
        origin: Arc<Origin>,
        options: &StreamOptions,
        counters: Arc<Counters>,
        handler: Arc<H>,
    ) -> Self {
        let on_garbage = match options.on_bad_magic {
            OnBadMagic::Close => OnGarbage::Close,
            OnBadMagic::Resync => OnGarbage::Resync,
        };
        let config = DeframerConfig::default()
            .read_size(READ)
            .on_garbage(on_garbage);
        Self {
            stream,
            deframer: Deframer::new(config),
            origin,
            intake: Intake::new(counters, handler),
            progress: Progress::new(&options.limits, Instant::now()),
            max_bad_frames: options.limits.max_bad_frames,
            errors_in_a_row: 0,
            keep_alive_octets: 0,
        }
    }

    /// Reads until the connection ends or has to, and says why. The stream is given back to be closed.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Ended<S> {
        let reason = match self.read_all(stop).await {
            Ok(never) => match never {},
            Err(reason) => reason,
        };
        // What was complete when the connection had to end is still good.
        self.intake.hand_over().await;
        Ended {
            reason,
            mid_frame: self.deframer.is_mid_frame(),
            stream: self.stream,
        }
    }

    async fn read_all(&mut self, stop: &CancellationToken) -> Result<Infallible, CloseReason> {
        let mut stopped = pin!(stop.cancelled());
        let mut alarm = pin!(sleep(Duration::MAX));
        let mut left_when_stopping = LAST_OCTETS;
        loop {
            let stopping = stop.is_cancelled();
            if stopping {
                // With a fresh budget, so that "nothing to read" below is true.
                tokio::task::yield_now().await;
            }
            let deadline = self.progress.deadline();
            if let Some(deadline) = deadline
                && deadline < alarm.deadline()
            {
                alarm.as_mut().reset(deadline);
            }
            let read = tokio::select! {
                biased;
                read = self.stream.read_buf(self.deframer.buffer_mut()) => read,
                () = future::ready(()), if stopping => return Err(CloseReason::Stopped),
                () = &mut stopped, if !stopping => continue,
                () = &mut alarm, if deadline.is_some() => {
                    self.progress.check(Instant::now())?;
                    // It was set for an earlier deadline that was met.
                    alarm.as_mut().reset(deadline.unwrap_or_else(Instant::now));
                    continue;
                }
            };
            let octets = read.map_err(|error| self.read_failed(&error))?;
            if octets == 0 {
                return Err(if self.deframer.is_mid_frame() {
                    CloseReason::PeerClosedInFrame
                } else {
                    CloseReason::PeerClosed
                });
            }
            self.intake.tally.octets += octets as u64;
            let event = self.take_frames().await?;
            self.progress.read(event, Instant::now())?;
            if stopping {
                left_when_stopping = left_when_stopping.saturating_sub(octets);
                if left_when_stopping == 0 {
                    return Err(CloseReason::Stopped);
                }
            }
        }
    }

    /// Hands over every frame that is complete.
    async fn take_frames(&mut self) -> Result<ReadEvent, CloseReason> {
        let now = SystemTime::now();
        let mut completed = false;
        loop {
            match self.deframer.next_frame() {
                Ok(Some(frame)) => {
                    completed = true;
                    if self.intake.frame(frame, &self.origin, now) {
                        self.errors_in_a_row = 0;
                    } else {
                        self.errors_in_a_row = self.errors_in_a_row.saturating_add(1);
                        if NonZeroU32::new(self.errors_in_a_row) == self.max_bad_frames {
                            return Err(CloseReason::TooManyErrors);
                        }
                    }
                    if self.intake.is_full() {
                        self.intake.hand_over().await;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.intake.not_a_frame(&error, &self.origin);
                    self.out_of_step(&error);
                    if self.deframer.is_closed() {
                        return Err(reason_to_close(&error));
                    }
                }
            }
        }
        let keep_alive = self.deframer.keep_alive_octets() != self.keep_alive_octets;
        if keep_alive {
            self.keep_alive_octets = self.deframer.keep_alive_octets();
            self.intake.tally.keep_alives += 1;
        }
        self.intake.hand_over().await;
        Ok(ReadEvent {
            completed,
            keep_alive,
            mid_frame: self.deframer.is_mid_frame(),
        })
    }

    fn out_of_step(&self, error: &DecodeError) {
        tracing::debug!(
            listener = self.origin.listener.0,
            peer = %self.origin.peer,
            reason = error.reason(),
            "stream is out of step"
        );
    }

    fn read_failed(&self, error: &io::Error) -> CloseReason {
        tracing::debug!(
            listener = self.origin.listener.0,
            peer = %self.origin.peer,
            %error,
            "connection cannot be read"
        );
        match error.kind() {
            // TLS without its closing alert. Frames have lengths: nothing can be cut unnoticed.
            io::ErrorKind::UnexpectedEof if self.deframer.is_mid_frame() => {
                CloseReason::PeerClosedInFrame
            }
            io::ErrorKind::UnexpectedEof => CloseReason::PeerClosed,
            io::ErrorKind::InvalidData => CloseReason::Tls,
            _ => CloseReason::Io,
        }
    }
}

/// A connection that was read to its end.
#[derive(Debug)]
pub(super) struct Ended<S> {
    pub(super) reason: CloseReason,
    /// The octets of an incomplete frame are lost.
    pub(super) mid_frame: bool,
    pub(super) stream: S,
}

fn reason_to_close(error: &DecodeError) -> CloseReason {
    match error.reason() {
        "bad_total_length" => CloseReason::BadTotalLength,
        "too_large" => CloseReason::TooLarge,
        _ => CloseReason::BadMagic,
    }
}

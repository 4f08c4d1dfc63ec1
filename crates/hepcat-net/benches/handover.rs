//! What handing 64 frames to a destination's queue costs its producer: with room, and when the oldest
//! have to make room. Nothing takes frames out meanwhile: the destination's name never resolves.
//!
//! `cargo bench -p hepcat-net --bench handover`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hepcat_net::{
    Destination, DestinationConfig,
    destination::{QueueConfig, Resolve, ResolveFuture},
};
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const BATCH: usize = 64;
const ROOM: usize = 64 * 1024;

#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> ResolveFuture<'a> {
        Box::pin(std::future::pending())
    }
}

fn destination(max_frames: usize) -> (Arc<Destination>, CancellationToken) {
    let queue = QueueConfig::default()
        .max_frames(max_frames)
        .max_octets(None);
    let config = DestinationConfig::tcp("d", "never.example", 9060)
        .connect_timeout(Duration::from_hours(1))
        .resolver(Arc::new(Silent))
        .queue(queue);
    let stop = CancellationToken::new();
    (Destination::spawn(config, &TaskTracker::new(), &stop), stop)
}

fn handover(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let batch: Vec<Bytes> = (0..BATCH).map(|_| Bytes::from(vec![7; 629])).collect();
    let mut group = c.benchmark_group("handover");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("room for 64 frames", |b| {
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let (destination, stop) = destination(ROOM);
                let batches = left.min((ROOM / BATCH) as u64);
                let started = Instant::now();
                for _ in 0..batches {
                    destination.offer(batch.iter().cloned());
                }
                spent += started.elapsed();
                left -= batches;
                stop.cancel();
            }
            spent
        });
    });
    group.bench_function("64 of the oldest make room", |b| {
        let (destination, stop) = destination(1024);
        b.iter(|| destination.offer(batch.iter().cloned()));
        stop.cancel();
    });
    group.finish();
}

criterion_group!(benches, handover);
criterion_main!(benches);

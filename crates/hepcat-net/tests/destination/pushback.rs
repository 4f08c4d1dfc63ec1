//! Producers that block wait for the disk at most: a destination with a spool never stops them, whatever it does.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use hepcat_net::{
    destination::{QueueConfig, WhenFull},
    spool::{FaultyDisk, Fsync, SpoolConfig, SpoolMode},
};
use hepcat_testkit::{Behaviour, FakeCollector, TcpProxy};
use rstest::rstest;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use crate::rig::{PATIENCE, Rig, frames, long_frames, numbers, tcp};

const FAST: NonZeroU64 = NonZeroU64::new(10_000_000).unwrap();

/// How long nobody may get on. The disk of these tests takes a few milliseconds for a write.
const STUCK: Duration = Duration::from_secs(4);

fn one_of<T: Copy>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

/// A random course of events, the same for the same seed as far as threads allow.
async fn course(seed: u64, lasts: Duration) {
    let mut random = fastrand::Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a directory");
    let disk = FaultyDisk::default();
    disk.set_delay(Duration::from_micros(random.u64(0..1500)));
    let mode = one_of(&mut random, &[SpoolMode::Always, SpoolMode::Overflow]);
    let sizes = [1, 2, 3, 16, 33, 100, 400, 1000, 3000];
    let max_frames = one_of(&mut random, &sizes);
    let fsync = [
        Fsync::Always,
        Fsync::Never,
        Fsync::Every(Duration::from_millis(5)),
    ];
    let spool = SpoolConfig::new(directory.path().join("homer"))
        .mode(mode)
        .fsync(one_of(&mut random, &fsync))
        .max_octets(one_of(&mut random, &[1 << 20, 8 << 20, 1 << 30]))
        .replay_rate(FAST)
        .disk(Arc::new(disk.clone()));
    let mut queue = QueueConfig::default()
        .max_frames(max_frames)
        .when_full(WhenFull::Block);
    if random.bool() {
        queue = queue.max_octets(Some(one_of(&mut random, &[50_000, 200_000, 1 << 20])));
    }
    let what = format!("seed {seed}: {mode:?}, {queue:?}, {spool:?}");
    let collector = FakeCollector::tcp();
    let proxy = TcpProxy::new(collector.address());
    let rig = Rig::start(tcp(proxy.address()).queue(queue).spool(spool));
    let over = Arc::new(AtomicBool::new(false));
    let taken = Arc::new(AtomicU64::new(0));
    let producers = TaskTracker::new();
    for _ in 0..4 {
        let destination = Arc::clone(&rig.destination);
        let (over, taken) = (Arc::clone(&over), Arc::clone(&taken));
        let mut random = random.fork();
        producers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let frames: Vec<Bytes> = if random.u8(..) < 20 {
                    long_frames(0..random.usize(1..5))
                } else {
                    frames(0..random.usize(1..150))
                };
                let count = frames.len() as u64;
                destination.offer_wait(frames).await;
                taken.fetch_add(count, Ordering::Relaxed);
                if random.u8(..) < 10 {
                    tokio::time::sleep(Duration::from_millis(random.u64(1..20))).await;
                }
            }
        });
    }
    let began = Instant::now();
    let (mut seen, mut since) = (0, Instant::now());
    while began.elapsed() < lasts {
        match random.u8(0..8) {
            0 => collector.set_behaviour(Behaviour::NeverRead),
            1 | 2 => collector.set_behaviour(Behaviour::Collect),
            3 => proxy.reset(),
            4 => {
                collector.refuse();
                collector.reset_connections();
            }
            5 => collector.listen(),
            6 => proxy.stall(),
            _ => proxy.resume(),
        }
        let pause = Duration::from_millis(random.u64(1..60));
        // Now and then for long enough that everything comes to rest.
        let pause = if random.u8(..) < 8 { pause * 20 } else { pause };
        tokio::time::sleep(pause).await;
        let now = taken.load(Ordering::Relaxed);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        assert!(
            since.elapsed() < STUCK,
            "{what}: producers are stuck: {:#?}",
            rig.stats()
        );
    }
    over.store(true, Ordering::Relaxed);
    collector.set_behaviour(Behaviour::Collect);
    collector.listen();
    proxy.resume();
    producers.close();
    let ended = tokio::time::timeout(PATIENCE, producers.wait()).await;
    assert!(ended.is_ok(), "{what}: {:#?}", rig.stats());
    let ended = rig.destination.drain(PATIENCE).await;
    assert_eq!(ended.lost, 0, "{what}: {:#?}", rig.stats());
}

/// Producers that block, and a spool on `disk`.
fn blocking(
    collector: &FakeCollector,
    directory: &TempDir,
    mode: SpoolMode,
    disk: &FaultyDisk,
    max_frames: usize,
) -> Rig {
    let spool = SpoolConfig::new(directory.path().join("homer"))
        .mode(mode)
        .replay_rate(FAST)
        .disk(Arc::new(disk.clone()));
    let queue = QueueConfig::default()
        .max_frames(max_frames)
        .when_full(WhenFull::Block);
    Rig::start(tcp(collector.address()).queue(queue).spool(spool))
}

#[rstest]
#[case(1)]
#[case(3)]
#[case(100)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_collector_is_not_given_up_because_producers_wait_for_the_disk(
    #[case] max_frames: usize,
    #[values(SpoolMode::Overflow, SpoolMode::Always)] mode: SpoolMode,
) {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = FaultyDisk::default();
    disk.set_delay(Duration::from_millis(2));
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let rig = blocking(&collector, &directory, mode, &disk, max_frames);
    rig.until_up().await;
    let offered = rig.destination.offer_wait(long_frames(0..400));
    let offered = tokio::time::timeout(PATIENCE, offered).await;
    assert!(offered.is_ok(), "producers are stuck: {:#?}", rig.stats());
    let stats = rig.stats();
    assert_eq!((stats.link.connects, stats.link.disconnects), (1, 0));
    collector.set_behaviour(Behaviour::Collect);
    let arrived = numbers(&collector.wait_for(400));
    assert_eq!(arrived, (0..400).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passed_a_failing_disk_by_goes_there_when_it_works_and_the_collector_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = FaultyDisk::default();
    let collector = FakeCollector::tcp();
    let rig = blocking(&collector, &directory, SpoolMode::Always, &disk, 600);
    rig.until_up().await;
    rig.until("the spool is open", |stats| {
        stats.spool.as_ref().is_some_and(|spool| spool.open)
    })
    .await;
    disk.set_read_only(true);
    collector.set_behaviour(Behaviour::NeverRead);
    rig.destination.offer(long_frames(0..200));
    rig.until("bypassed", |stats| {
        stats.spool.as_ref().is_some_and(|one| one.bypassed > 0)
    })
    .await;
    disk.set_read_only(false);
    collector.refuse();
    collector.set_behaviour(Behaviour::ResetAfter { octets: 1 });
    rig.until("everything is on disk", |stats| stats.ledger.queued == 0)
        .await;
    let ledger = rig.ledger();
    assert_eq!(ledger.delivered + ledger.spooled, 200);
    assert!(ledger.spooled > 100, "{ledger:?}");
}

/// `SEEDS=100` tries more courses than the short form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_get_on_whatever_happens_as_long_as_the_disk_takes_frames() {
    let seeds = std::env::var("SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    for seed in 0..seeds.unwrap_or(6) {
        course(seed, Duration::from_millis(1000)).await;
    }
}

use std::{net::UdpSocket, num::NonZeroUsize};

use hepcat_net::{ListenerId, listener::ListenerConfig};
use tokio::io::AsyncWriteExt;

use crate::rig::{Rig, loopback, numbered, wait_eof};

fn udp(addr: std::net::SocketAddr) -> ListenerConfig {
    ListenerConfig::udp(ListenerId(1), addr).sockets(NonZeroUsize::MIN)
}

#[tokio::test]
async fn datagrams_queued_between_the_two_are_read_by_the_second() {
    let first = Rig::new(udp(loopback()));
    let agent = UdpSocket::bind(loopback()).unwrap();
    agent.connect(first.addr()).unwrap();
    agent.send(&numbered(0)).unwrap();
    first.recorder.wait_for(1).await;
    let bound = hepcat_net::listener::Listener::take_over(udp(first.addr()), &first.listener);
    first.stop().await;
    // Nobody reads, and nobody refuses.
    agent.send(&numbered(1)).unwrap();
    let recorder = crate::rig::Recorder::new();
    let tasks = tokio_util::task::TaskTracker::new();
    let stop = tokio_util::sync::CancellationToken::new();
    bound
        .unwrap()
        .serve(std::sync::Arc::clone(&recorder), &tasks, stop);
    recorder.wait_for(1).await;
    assert_eq!(recorder.frames(), [numbered(1)]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_kernel_dropped_before_is_not_counted_again() {
    let first = Rig::new(udp(loopback()).receive_buffer(4096));
    let agent = UdpSocket::bind(loopback()).unwrap();
    agent.connect(first.addr()).unwrap();
    first.recorder.close_gate().await;
    agent.send(&numbered(0)).unwrap();
    first.recorder.wait_entered(1).await;
    for number in 1..500 {
        agent.send(&numbered(number)).unwrap();
    }
    let dropped = first.stats().kernel_drops;
    assert!(dropped > 0);
    let second = first.taken_over(udp(first.addr()));
    assert_eq!(second.stats().kernel_drops, 0);
    first.recorder.open_gate();
    let (before, after) = (first.stop().await, second.stop().await);
    assert_eq!((before.kernel_drops, after.kernel_drops), (dropped, 0));
    assert_eq!(before.datagrams + after.datagrams + dropped, 500);
}

#[tokio::test]
async fn connections_find_the_port_open_all_the_time() {
    let config = |addr| ListenerConfig::tcp(ListenerId(1), addr);
    let first = Rig::new(config(loopback()));
    let mut old = first.connect().await;
    old.write_all(&numbered(0)).await.unwrap();
    first.recorder.wait_for(1).await;
    let second = first.taken_over(config(first.addr()));
    first.stop().await;
    wait_eof(&mut old).await;
    let mut new = second.connect().await;
    new.write_all(&numbered(1)).await.unwrap();
    second.recorder.wait_for(1).await;
    assert_eq!(second.recorder.frames(), [numbered(1)]);
}

use std::{num::NonZeroU32, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::rig::{Rig, numbered, wait_eof};

/// Writes each part when the one before was read: one part is one read event.
async fn send_parts(rig: &Rig, agent: &mut TcpStream, parts: &[&[u8]]) {
    for part in parts {
        let want = rig.stats().octets + part.len() as u64;
        agent.write_all(part).await.unwrap();
        rig.wait_stats(|stats| stats.octets == want).await;
    }
}

/// A message in `count` parts.
fn parts(message: &[u8], count: usize) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = message[..count - 1].chunks(1).collect();
    parts.push(&message[count - 1..]);
    parts
}

fn with_chunks(limit: u32) -> Rig {
    Rig::tcp_with(|limits| limits.max_msg_chunks = NonZeroU32::new(limit))
}

#[tokio::test]
async fn hep_max_msg_chunks_a_message_may_arrive_in_as_many_reads_as_the_limit_says() {
    for limit in [1, 2, 32] {
        let rig = with_chunks(limit);
        let mut agent = rig.connect().await;
        let message = numbered(1);
        // Twice, as the count starts again with each message.
        for count in 1..=2 {
            send_parts(&rig, &mut agent, &parts(&message, limit as usize)).await;
            rig.recorder.wait_for(count).await;
        }
        assert_eq!(rig.stats().connections_open, 1, "limit {limit}");
    }
}

#[tokio::test]
async fn hep_max_msg_chunks_one_read_more_than_the_limit_closes() {
    for limit in [1, 2, 32] {
        let rig = with_chunks(limit);
        let mut agent = rig.connect().await;
        let message = numbered(1);
        let parts = parts(&message, limit as usize + 1);
        send_parts(&rig, &mut agent, &parts[..limit as usize]).await;
        wait_eof(&mut agent).await;
        let stats = rig.wait_closed("max_msg_chunks").await;
        assert_eq!(
            (stats.messages.total(), stats.truncated),
            (0, 1),
            "limit {limit}"
        );
    }
}

#[tokio::test]
async fn hep_max_msg_chunks_of_zero_is_no_limit() {
    let rig = with_chunks(0);
    let mut agent = rig.connect().await;
    let message = numbered(1);
    send_parts(&rig, &mut agent, &parts(&message, 200)).await;
    rig.recorder.wait_for(1).await;
}

#[tokio::test]
async fn hep_max_msg_chunks_the_beginning_of_the_next_message_in_the_same_read_counts() {
    let message = numbered(1);
    let tail_and_head = [&message[10..], &message[..10]].concat();
    // With two the message in progress must be complete by the next read, and here is.
    let rig = with_chunks(2);
    let mut agent = rig.connect().await;
    send_parts(
        &rig,
        &mut agent,
        &[
            &message[..10],
            &tail_and_head,
            &tail_and_head,
            &message[10..],
        ],
    )
    .await;
    rig.recorder.wait_for(3).await;
    send_parts(&rig, &mut agent, &[&message[..10], &message[10..20]]).await;
    wait_eof(&mut agent).await;
    rig.wait_closed("max_msg_chunks").await;
    // With one the beginning alone is one read too many; what was complete before it is delivered.
    let rig = with_chunks(1);
    let mut agent = rig.connect().await;
    send_parts(
        &rig,
        &mut agent,
        &[&[&message[..], &message[..10]].concat()],
    )
    .await;
    wait_eof(&mut agent).await;
    rig.wait_closed("max_msg_chunks").await;
    assert_eq!(rig.recorder.frames(), [message]);
}

#[tokio::test]
async fn keep_alives_are_no_chunks() {
    let rig = with_chunks(1);
    let mut agent = rig.connect().await;
    let message = numbered(1);
    send_parts(
        &rig,
        &mut agent,
        &[b"\r\n", b"\0", &message, b"\r\n", &message],
    )
    .await;
    rig.recorder.wait_for(2).await;
}

#[tokio::test]
async fn a_message_that_trickles_in_is_cut_off_in_time() {
    let rig = Rig::tcp_with(|limits| {
        limits.max_msg_chunks = None;
        limits.message_timeout = Duration::from_millis(100);
    });
    let mut agent = rig.connect().await;
    let message = numbered(1);
    let begun = std::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    // Each fragment comes in good time, and prolongs nothing.
    for octet in &message {
        tick.tick().await;
        if agent.write_all(&[*octet]).await.is_err() {
            break;
        }
    }
    assert!(begun.elapsed() >= Duration::from_millis(100));
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("message_timeout").await;
    assert_eq!((stats.truncated, stats.messages.total()), (1, 0));
}

#[tokio::test]
async fn a_fragment_with_nothing_after_it_is_cut_off_in_time() {
    let rig = Rig::tcp_with(|limits| limits.message_timeout = Duration::from_millis(20));
    let mut agent = rig.connect().await;
    agent.write_all(&numbered(1)[..50]).await.unwrap();
    wait_eof(&mut agent).await;
    rig.wait_closed("message_timeout").await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_the_idle_time() {
    let rig = Rig::tcp_with(|limits| limits.idle_timeout = Duration::from_millis(20));
    let mut agent = rig.connect().await;
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("idle_timeout").await;
    assert_eq!(stats.truncated, 0);
}

#[tokio::test]
async fn messages_keep_a_connection_alive() {
    let rig = Rig::tcp_with(|limits| limits.idle_timeout = Duration::from_secs(2));
    let mut agent = rig.connect().await;
    let begun = std::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut sent = 0;
    while begun.elapsed() < Duration::from_millis(2500) {
        tick.tick().await;
        agent.write_all(&numbered(1)).await.unwrap();
        sent += 1;
    }
    rig.recorder.wait_for(sent).await;
    assert_eq!(rig.stats().connections_open, 1);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_and_those_that_are_open_go_on() {
    let rig = Rig::tcp_with(|limits| limits.max_connections = 2);
    let mut first = rig.connect().await;
    let second = rig.connect().await;
    rig.wait_stats(|stats| stats.connections_open == 2).await;
    let mut third = rig.connect().await;
    wait_eof(&mut third).await;
    let stats = rig.stats();
    assert_eq!(stats.connections_refused.get("max_connections"), 1);
    assert_eq!((stats.connections_accepted, stats.connections_open), (2, 2));
    first.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
    // A place that becomes free is taken again.
    drop(second);
    rig.wait_stats(|stats| stats.connections_open == 1).await;
    let mut fourth = rig.connect().await;
    fourth.write_all(&numbered(2)).await.unwrap();
    rig.recorder.wait_for(2).await;
}

#[tokio::test]
async fn connections_of_one_peer_beyond_its_limit_are_refused_and_other_peers_are_served() {
    let rig = Rig::tcp_with(|limits| limits.max_connections_per_peer = 1);
    let _first = rig.connect().await;
    rig.wait_stats(|stats| stats.connections_open == 1).await;
    let mut second = rig.connect().await;
    wait_eof(&mut second).await;
    let stats = rig.stats();
    assert_eq!(stats.connections_refused.get("max_connections_per_peer"), 1);
    // All of 127/8 is this machine: another address is another peer.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(rig.addr()).await.unwrap();
    other.write_all(&numbered(1)).await.unwrap();
    let got = rig.recorder.wait_for(1).await;
    assert_eq!(got[0].origin.peer, other.local_addr().unwrap());
}

#[tokio::test]
async fn what_was_sent_before_the_stop_is_handed_over() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    rig.recorder.close_gate().await;
    agent.write_all(&numbered(0)).await.unwrap();
    rig.recorder.wait_entered(1).await;
    // Far more than one read, less than the buffers between us hold.
    let rest: Vec<Vec<u8>> = (1..500).map(numbered).collect();
    agent.write_all(&rest.concat()).await.unwrap();
    rig.begin_stop();
    rig.recorder.open_gate();
    let stats = rig.stop().await;
    assert_eq!(stats.messages.total(), 500);
    assert_eq!(stats.connections_closed.get("stopped"), 1);
    let want: Vec<Vec<u8>> = (0..500).map(numbered).collect();
    assert!(rig.recorder.frames() == want);
    wait_eof(&mut agent).await;
    TcpStream::connect(rig.addr()).await.unwrap_err();
}

#[tokio::test]
async fn a_sender_that_never_pauses_does_not_keep_the_listener_from_stopping() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    let portion: Vec<u8> = (0..100).flat_map(numbered).collect();
    let flood = async { while agent.write_all(&portion).await.is_ok() {} };
    let stop = async {
        rig.recorder.wait_for(1000).await;
        rig.stop().await
    };
    let ((), stats) = tokio::join!(flood, stop);
    assert_eq!(stats.connections_closed.get("stopped"), 1);
}

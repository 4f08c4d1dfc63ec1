use hepcat_net::{
    ListenerId, Transport,
    listener::{ListenerConfig, OnBadMagic},
};
use hepcat_testkit::frame;
use tokio::io::AsyncWriteExt;

use crate::rig::{Rig, loopback, numbered, wait_eof};

/// The octets of three frames of different sizes.
fn three() -> (Vec<Vec<u8>>, Vec<u8>) {
    let frames = vec![frame::v3(&[]), numbered(1), numbered(22_222)];
    let stream = frames.concat();
    (frames, stream)
}

/// Sends the first part, waits until it was read, sends the second.
async fn send_in_two(rig: &Rig, stream: &[u8], at: usize) {
    let before = rig.stats().octets;
    let mut agent = rig.connect().await;
    let (first, second) = stream.split_at(at);
    if !first.is_empty() {
        agent.write_all(first).await.unwrap();
        let want = before + first.len() as u64;
        rig.wait_stats(|stats| stats.octets == want).await;
    }
    agent.write_all(second).await.unwrap();
}

#[tokio::test]
async fn one_write_of_many_frames() {
    let rig = Rig::tcp();
    let (frames, stream) = three();
    let mut agent = rig.connect().await;
    agent.write_all(&stream).await.unwrap();
    let got = rig.recorder.wait_for(3).await;
    assert_eq!(rig.recorder.frames(), frames);
    let origin = &got[0].origin;
    assert_eq!(origin.peer, agent.local_addr().unwrap());
    assert_eq!(origin.local, rig.addr());
    assert_eq!(
        (origin.transport, origin.tls.clone()),
        (Transport::Tcp, None)
    );
    agent.shutdown().await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("peer_closed").await;
    assert_eq!(stats.messages.total(), 3);
    assert_eq!(stats.octets, stream.len() as u64);
    assert_eq!((stats.connections_accepted, stats.connections_open), (1, 0));
    assert_eq!(stats.truncated, 0);
}

#[tokio::test]
async fn a_split_at_every_position() {
    let rig = Rig::tcp();
    let (frames, stream) = three();
    for at in 0..=stream.len() {
        let before = rig.recorder.all().len();
        send_in_two(&rig, &stream, at).await;
        let got = rig.recorder.wait_for(before + 3).await;
        let got: Vec<_> = got[before..].iter().map(|got| got.frame.clone()).collect();
        assert!(got == frames, "split at {at}");
    }
}

#[tokio::test]
async fn one_octet_at_a_time() {
    let rig = Rig::tcp_with(|limits| limits.max_msg_chunks = None);
    let (frames, stream) = three();
    let mut agent = rig.connect().await;
    for octet in stream {
        agent.write_all(&[octet]).await.unwrap();
    }
    rig.recorder.wait_for(3).await;
    assert_eq!(rig.recorder.frames(), frames);
}

/// OpenSIPS stops reading a connection when a read leaves the first 1 to 5 octets of a header.
#[tokio::test]
async fn defect_split_header_a_header_cut_after_three_octets_is_read_to_its_end() {
    let rig = Rig::tcp();
    let message = numbered(1);
    for at in 1..=5 {
        let before = rig.recorder.all().len();
        // Alone, and at the tail of a burst.
        send_in_two(&rig, &message, at).await;
        rig.recorder.wait_for(before + 1).await;
        let burst = [message.clone(), message.clone()].concat();
        send_in_two(&rig, &burst, message.len() + at).await;
        rig.recorder.wait_for(before + 3).await;
    }
    assert_eq!(rig.stats().decode_errors.total(), 0);
}

/// OpenSIPS loops for ever over a total length of 0, and falls out of step over 1 to 5.
#[tokio::test]
async fn defect_length_below_six_closes_at_once() {
    for length in 0..6_u8 {
        let rig = Rig::tcp();
        let mut agent = rig.connect().await;
        let mut stream = numbered(1);
        stream.extend_from_slice(&[b'H', b'E', b'P', b'3', 0, length]);
        stream.extend_from_slice(&numbered(2));
        agent.write_all(&stream).await.unwrap();
        wait_eof(&mut agent).await;
        let stats = rig.wait_closed("bad_total_length").await;
        assert_eq!(stats.decode_errors.get("bad_total_length"), 1);
        assert_eq!(rig.recorder.frames(), [numbered(1)], "length {length}");
    }
}

/// OpenSIPS keeps the octets and looks at them again at every event until its limit of attempts.
#[tokio::test]
async fn defect_bad_magic_closes_at_once() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    let mut stream = numbered(1);
    stream.push(b'X');
    agent.write_all(&stream).await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("bad_magic").await;
    assert_eq!(stats.decode_errors.get("unknown_format"), 1);
    assert_eq!(rig.recorder.frames(), [numbered(1)]);
}

#[tokio::test]
async fn versions_one_and_two_cannot_be_framed() {
    for octets in [frame::sip_v1("x"), frame::sip_v2("x")] {
        let rig = Rig::tcp();
        let mut agent = rig.connect().await;
        agent.write_all(&octets).await.unwrap();
        wait_eof(&mut agent).await;
        rig.wait_closed("bad_magic").await;
    }
}

#[tokio::test]
async fn a_stream_out_of_step_finds_its_way_where_it_is_told_to() {
    let config = ListenerConfig::tcp(ListenerId(7), loopback());
    let rig = Rig::new(config.on_bad_magic(OnBadMagic::Resync));
    let mut agent = rig.connect().await;
    let stream = [&numbered(1)[..], b"lost octets", &numbered(2)].concat();
    agent.write_all(&stream).await.unwrap();
    rig.recorder.wait_for(2).await;
    assert_eq!(rig.recorder.frames(), [numbered(1), numbered(2)]);
    agent.shutdown().await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("peer_closed").await;
    assert_eq!(stats.decode_errors.get("unknown_format"), 1);
}

#[tokio::test]
async fn the_longest_frame_is_taken() {
    let rig = Rig::tcp_with(|limits| limits.max_msg_chunks = None);
    let empty = frame::sip_v3([]).len();
    let longest = frame::sip_v3(vec![b'x'; 65_535 - empty]);
    let mut agent = rig.connect().await;
    agent.write_all(&longest).await.unwrap();
    agent.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(2).await;
    assert_eq!(rig.recorder.frames(), [longest, numbered(1)]);
}

#[tokio::test]
async fn keep_alive_octets_between_frames_are_passed_over_and_counted() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    agent.write_all(b"HELLO HFP").await.unwrap();
    rig.wait_stats(|stats| stats.keep_alives == 1).await;
    agent.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
    agent.write_all(b"\r\n\r\n").await.unwrap();
    rig.wait_stats(|stats| stats.keep_alives == 2).await;
    agent
        .write_all(&[&[0, 0][..], &numbered(2)].concat())
        .await
        .unwrap();
    rig.recorder.wait_for(2).await;
    agent.shutdown().await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("peer_closed").await;
    assert_eq!((stats.keep_alives, stats.decode_errors.total()), (3, 0));
    assert_eq!(rig.recorder.frames(), [numbered(1), numbered(2)]);
}

#[tokio::test]
async fn a_frame_that_is_no_message_costs_none_beside_it() {
    let rig = Rig::tcp();
    let mut bad = numbered(2);
    // The first chunk claims to be longer than the frame.
    bad[10..12].copy_from_slice(&[0xff, 0xff]);
    let mut agent = rig.connect().await;
    agent
        .write_all(&[numbered(1), bad.clone(), numbered(3)].concat())
        .await
        .unwrap();
    let got = rig.recorder.wait_for(3).await;
    let got: Vec<_> = got.into_iter().map(|got| (got.frame, got.error)).collect();
    let want = [
        (numbered(1), None),
        (bad, Some("chunk_overrun")),
        (numbered(3), None),
    ];
    assert!(got == want);
    assert_eq!(rig.stats().decode_errors.get("chunk_overrun"), 1);
}

#[tokio::test]
async fn sixteen_frames_in_a_row_that_are_no_messages_close() {
    let mut bad = numbered(2);
    bad[10..12].copy_from_slice(&[0xff, 0xff]);
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    let fifteen = bad.repeat(15);
    let stream = [&fifteen[..], &numbered(1), &fifteen, &bad, &numbered(2)].concat();
    agent.write_all(&stream).await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("too_many_errors").await;
    assert_eq!((stats.unparsable, stats.messages.total()), (31, 1));
    assert_eq!(rig.recorder.all().len(), 32);
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_frame_delivers_what_was_complete() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    let cut = &numbered(2)[..20];
    agent
        .write_all(&[&numbered(1), cut].concat())
        .await
        .unwrap();
    agent.shutdown().await.unwrap();
    wait_eof(&mut agent).await;
    let stats = rig.wait_closed("peer_closed_in_frame").await;
    assert_eq!(stats.truncated, 1);
    assert_eq!(rig.recorder.frames(), [numbered(1)]);
}

#[tokio::test]
async fn a_peer_that_closes_its_half_at_once_loses_nothing() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    let sent: Vec<Vec<u8>> = (0..2000).map(numbered).collect();
    agent.write_all(&sent.concat()).await.unwrap();
    agent.shutdown().await.unwrap();
    rig.recorder.wait_for(2000).await;
    assert!(rig.recorder.frames() == sent);
    wait_eof(&mut agent).await;
    rig.wait_closed("peer_closed").await;
}

#[tokio::test]
async fn a_reset_is_counted_as_such() {
    let rig = Rig::tcp();
    let mut agent = rig.connect().await;
    agent.write_all(&numbered(1)).await.unwrap();
    rig.recorder.wait_for(1).await;
    socket2::SockRef::from(&agent)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(agent);
    rig.wait_closed("io").await;
}

#[tokio::test]
async fn a_handler_that_waits_holds_the_sender_back() {
    let rig = Rig::tcp_with(|limits| {
        limits.message_timeout = std::time::Duration::from_millis(20);
        limits.idle_timeout = std::time::Duration::from_millis(500);
    });
    rig.recorder.close_gate().await;
    let mut agent = rig.connect().await;
    let portion: Vec<u8> = (0..100).flat_map(numbered).collect();
    let mut sent = 0;
    // Until nothing more fits into the buffers between us: the listener does not read on.
    loop {
        let write = agent.write_all(&portion);
        if tokio::time::timeout(std::time::Duration::from_millis(300), write)
            .await
            .is_err()
        {
            break;
        }
        sent += 100;
        assert!(sent < 1_000_000, "nobody holds the sender back");
    }
    assert_eq!(rig.recorder.all().len(), 0);
    assert_eq!(rig.stats().connections_open, 1);
    rig.recorder.open_gate();
    rig.recorder.wait_for(sent).await;
    assert_eq!(rig.stats().connections_closed.get("idle_timeout"), 0);
}

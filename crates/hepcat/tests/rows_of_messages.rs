//! What the store is given of a message: every field of it, and its frame, octet for octet but for the key.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hepcat::{
    agents::ClockBounds,
    pipeline::{Capture, Inflated},
    render::{Contents, arrival_json},
    search::StoredMessage,
    sink::store::row::{About, RowWriter},
};
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport, Unparsable};
use hepcat_store::{Class, Row, RowBatch};
use hepcat_testkit::{frame, vectors};
use hepcat_wire::{ChunkType, Message, Rewrite, Target};

fn origin() -> Arc<Origin> {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let (peer, local) = (address("192.0.2.7:33000"), address("[::1]:9060"));
    Arc::new(Origin::new(ListenerId(1), Transport::Tcp, peer, local))
}

fn received_at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456)
}

fn arrival(octets: &[u8]) -> Arrival {
    let octets = Bytes::copy_from_slice(octets);
    match Message::try_parse_lax(octets) {
        Ok(message) => Arrival::Message(Envelope::new(message, origin(), received_at())),
        Err((error, octets)) => {
            Arrival::Unparsable(Unparsable::new(octets, error, origin(), received_at()))
        }
    }
}

/// The row that is made of `octets`.
fn stored(octets: &[u8]) -> RowBatch {
    let arrival = arrival(octets);
    let inflated = Inflated::default();
    let capture = Capture::new(&arrival, "edge", Some(&inflated)).expect("a capture");
    let mut writer = RowWriter::default();
    match (&capture, &arrival) {
        (Capture::Message(view), _) => {
            let about = About {
                listener: "edge",
                ..About::default()
            };
            writer.message(view, &about)
        }
        (_, Arrival::Unparsable(unparsable)) => writer.unparsable(unparsable, "edge"),
        _ => panic!("an arrival of a third kind"),
    }
    .expect("it is not too large");
    writer.take().finish()
}

fn with_row<T>(octets: &[u8], look: impl FnOnce(&Row<'_>) -> T) -> T {
    let batch = stored(octets);
    let row = batch.rows().get(0).expect("one row");
    look(&row)
}

#[test]
fn every_vector_comes_back_octet_for_octet() {
    for vector in vectors() {
        if vector.is_stream() {
            continue;
        }
        let expected = match Message::parse_lax(&vector.octets[..]) {
            Ok(message) if message.auth_key().is_some() => continue,
            _ => vector.octets.clone(),
        };
        with_row(&vector.octets, |row| {
            assert_eq!(row.frame(), Some(expected), "{}", vector.file);
        });
    }
}

#[test]
fn keys_are_zeros_of_the_same_length() {
    let mut seen = 0;
    for vector in vectors() {
        let Ok(message) = Message::parse_lax(&vector.octets[..]) else {
            continue;
        };
        let Some(key) = message.auth_key() else {
            continue;
        };
        seen += 1;
        with_row(&vector.octets, |row| {
            let frame = row.frame().expect("a frame");
            assert_eq!(frame.len(), vector.octets.len(), "{}", vector.file);
            let stored = Message::parse_lax(&frame[..]).expect("it decodes");
            assert_eq!(
                stored.auth_key(),
                Some(&vec![0; key.len()][..]),
                "{}",
                vector.file
            );
            assert_eq!(
                stored.payload().octets(),
                message.payload().octets(),
                "{}",
                vector.file
            );
        });
    }
    assert!(seen > 0, "a vector with a key");
}

#[test]
fn an_invite_fills_its_columns() {
    let vector = vectors()
        .into_iter()
        .find(|vector| vector.file == "kamailio-v3-ipv4-udp-invite.hex")
        .expect("the vector");
    let message = Message::parse_lax(&vector.octets[..]).expect("it decodes");
    with_row(&vector.octets, |row| {
        assert_eq!(row.class, Class::Call);
        assert_eq!(row.listener, Some("edge"));
        assert_eq!(
            (row.agent, row.agent_port),
            (Some("192.0.2.7"), Some(33000))
        );
        assert_eq!((row.local_ip, row.local_port), (Some("::1"), Some(9060)));
        assert_eq!((row.hep_transport, row.hep_version), (Some("tcp"), Some(3)));
        assert_eq!((row.src_ip, row.src_port), (Some("127.0.0.2"), Some(5080)));
        assert_eq!((row.dst_ip, row.dst_port), (Some("127.0.0.1"), Some(5060)));
        assert_eq!(
            (row.method, row.cseq_method),
            (Some("INVITE"), Some("INVITE"))
        );
        assert_eq!(
            (row.from_user, row.to_user),
            (Some("sipp"), Some("service"))
        );
        assert_eq!(row.call_id, Some("1-25163@127.0.0.2"));
        assert_eq!(row.capture_id, message.capture_id().map(i64::from));
        assert_eq!(Some(row.payload), message.payload().octets());
        assert_eq!(row.received_at, 1_700_000_000_123_456);
    });
}

#[test]
fn a_time_that_is_not_believed_is_kept_as_claimed() {
    let at = |seconds: u32| {
        let octets = frame::sip_v3(frame::sip_options("clock@rows"));
        let message = Message::parse(&octets[..]).expect("it decodes");
        let mut edited = Rewrite::new(&message).expect("version 3");
        edited.replace(
            Target::generic(ChunkType::TIME_SEC),
            seconds.to_be_bytes().to_vec(),
        );
        edited.encode().expect("it encodes")
    };
    let good = at(1_700_000_000);
    with_row(&good, |row| {
        assert_eq!(row.sent_at.map(|at| at / 1_000_000), Some(1_700_000_000));
        assert_eq!(row.claimed_at, None);
        assert_eq!(row.frame().as_deref(), Some(&good[..]));
    });
    let bad = at(1_500_000_000);
    with_row(&bad, |row| {
        assert_eq!((row.sent_at, row.time()), (None, row.received_at));
        assert_eq!(row.claimed_at.map(|at| at / 1_000_000), Some(1_500_000_000));
        assert_eq!(row.frame().as_deref(), Some(&bad[..]));
    });
}

#[test]
fn what_did_not_decode_says_why_and_stays_whole() {
    let mut octets = frame::sip_v3(frame::sip_options("broken@rows"));
    let length = octets.len();
    // A chunk that promises less than its own head.
    octets[10..12].copy_from_slice(&2_u16.to_be_bytes());
    with_row(&octets, |row| {
        assert_eq!(row.class, Class::Other);
        assert_eq!(row.error_reason, Some("chunk_too_short"));
        assert!(row.error_offset.is_some());
        assert_eq!(row.frame().map(|frame| frame.len()), Some(length));
        assert_eq!(row.frame().as_deref(), Some(&octets[..]));
        assert_eq!((row.agent, row.sent_at), (Some("192.0.2.7"), None));
    });
}

#[test]
fn a_row_is_the_message_again() {
    for vector in vectors().into_iter().filter(|vector| !vector.is_stream()) {
        let before = arrival(&vector.octets);
        with_row(&vector.octets, |row| {
            let stored = StoredMessage::from_row(row).expect("it has a frame");
            let json = |arrival: &Arrival| {
                arrival_json(arrival, "edge", ClockBounds::default(), Contents::ALL)
            };
            if before_is_complete(&before) {
                assert_eq!(json(&stored.arrival), json(&before), "{}", vector.file);
            }
            assert_eq!(stored.listener.as_ref(), "edge");
            assert_eq!(stored.received_at(), received_at());
        });
    }
}

/// Whether the node takes it for a message, or for none.
fn before_is_complete(arrival: &Arrival) -> bool {
    match arrival {
        Arrival::Message(envelope) => envelope.message.check_capture().is_ok(),
        _ => true,
    }
}

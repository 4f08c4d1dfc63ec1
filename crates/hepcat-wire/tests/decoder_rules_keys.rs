//! Decoder rule D33 of `docs/wire.md`: the authenticate key.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod hex;
mod vectors;

use frames::generic;
use hepcat_wire::{AuthKeys, ChunkType, Message};
use rstest::rstest;
use vectors::vector;

/// How a message with these key chunks fares.
fn check(keys: &AuthKeys, presented: &[&[u8]]) -> Result<(), &'static str> {
    let chunks: Vec<_> = presented.iter().map(|key| (0x000e, *key)).collect();
    let frame = generic(&chunks);
    let message = Message::parse(&frame).unwrap();
    keys.check(&message).map_err(|error| {
        assert_eq!(error.chunk_type(), Some(ChunkType::AUTH_KEY));
        error.reason()
    })
}

#[rstest]
#[case::right(&["myhep"], true)]
#[case::wrong(&["mihep"], false)]
#[case::absent(&[], false)]
#[case::empty(&[""], false)]
#[case::prefix(&["myhe"], false)]
#[case::longer(&["myhep1"], false)]
#[case::trailing_nul(&["myhep\0"], false)]
#[case::other_case(&["MYHEP"], false)]
#[case::repeated(&["myhep", "myhep"], true)]
#[case::right_then_wrong(&["myhep", "other"], false)]
#[case::wrong_then_right(&["other", "myhep"], false)]
fn d33_the_key_must_be_there_and_equal(#[case] presented: &[&str], #[case] passes: bool) {
    let keys = AuthKeys::new(["myhep"]);
    let expected = if passes { Ok(()) } else { Err("auth_failed") };
    let presented: Vec<_> = presented.iter().map(|key| key.as_bytes()).collect();
    assert_eq!(check(&keys, &presented), expected);
}

#[test]
fn d33_an_empty_configured_key_requires_none() {
    for keys in [AuthKeys::new([""]), AuthKeys::new(Vec::<String>::new())] {
        assert!(!keys.is_required());
        assert_eq!(check(&keys, &[]), Ok(()));
        assert_eq!(check(&keys, &[b"anything"]), Ok(()));
    }
}

#[test]
fn d33_each_of_several_configured_keys_passes() {
    let keys = AuthKeys::new(["old", "new"]);
    assert_eq!(check(&keys, &[b"old"]), Ok(()));
    assert_eq!(check(&keys, &[b"new"]), Ok(()));
    assert_eq!(check(&keys, &[b"older"]), Err("auth_failed"));
    // Two keys that both pass are still two different ones.
    assert_eq!(check(&keys, &[b"old", b"new"]), Err("auth_failed"));
}

#[test]
fn d33_a_key_of_a_vendor_or_of_version_2_is_none() {
    let keys = AuthKeys::new(["vectorpw"]);
    let key = vector("sngrep-v3-ipv4-udp-auth-invite.hex");
    let message = Message::parse(&key).unwrap();
    let configured = AuthKeys::new([message.auth_key().unwrap()]);
    assert_eq!(configured.check(&message), Ok(()));
    let frame = vector("sngrep-v2-ipv4-udp-invite.hex");
    let message = Message::parse(&frame).unwrap();
    assert_eq!(keys.check(&message).unwrap_err().reason(), "auth_failed");
    let mut vendor = generic(&[(0x000e, b"vectorpw")]);
    vendor[7] = 3;
    let message = Message::parse(&vendor).unwrap();
    assert_eq!(keys.check(&message).unwrap_err().reason(), "auth_failed");
}

#[test]
fn d33_keys_and_payloads_never_show_in_debug_output() {
    let frame = generic(&[
        (0x000e, b"myhep"),
        (0x000f, b"INVITE sip:alice@example.org"),
    ]);
    let message = Message::parse(&frame[..]).unwrap();
    let shown = format!(
        "{message:?} {:?} {:?}",
        AuthKeys::new(["myhep"]),
        message.payload()
    );
    let chunks: Vec<_> = message.chunks().collect();
    let shown = format!("{shown} {chunks:?}");
    assert!(
        !shown.contains("myhep") && !shown.contains("alice"),
        "{shown}"
    );
}

// That the time of a comparison does not depend on the content cannot be tested in a way that could fail for no other
// reason: `AuthKeys::check` compares every octet of every key, and this test that it has no short way out.
#[test]
fn d33_keys_that_differ_in_one_octet_anywhere_are_wrong() {
    let key = [7_u8; 64];
    let keys = AuthKeys::new([key]);
    assert_eq!(check(&keys, &[&key]), Ok(()));
    for place in 0..64 {
        let mut other = key;
        other[place] ^= 0x80;
        assert_eq!(check(&keys, &[&other]), Err("auth_failed"));
    }
}

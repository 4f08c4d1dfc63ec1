//! What holds for all input, tried on random input, on every frame in `testdata/`, and on what once went wrong.
//!
//! The properties are those of the fuzz targets: `hepcat_wire::fuzz_bodies`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hex;
mod vectors;

use std::{fs, path::PathBuf, sync::LazyLock};

use hepcat_wire::fuzz_bodies as fuzz;
use proptest::{collection::vec, prelude::*};
use vectors::vector;

fn testdata() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata"))
}

static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = fs::read_dir(testdata()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".hex")).collect();
    names.sort_unstable();
    names.iter().map(|name| vector(name)).collect()
});

proptest! {
    #[test]
    fn octets_encode_and_decode_to_the_same(input in vec(any::<u8>(), 0..600)) {
        fuzz::encode(&input);
    }

    #[test]
    fn edits_touch_nothing_else(edits in vec(any::<u8>(), 0..13), frame in 0..106_usize) {
        let frame = &FRAMES[frame];
        fuzz::rewrite(&[&edits[..], frame].concat());
    }

    #[test]
    fn deframing_does_not_depend_on_the_reads(
        settings in 0..4_u8,
        sizes in vec(any::<u8>(), 0..16),
        pieces in vec(prop_oneof![
            3 => Just(b"HEP3\0\x0d\0\0\0\x01\0\x07\x02".to_vec()),
            1 => Just(b"HEP3\0\x06".to_vec()),
            1 => Just(b"HEP3".to_vec()),
            1 => Just(b"\r\n".to_vec()),
            1 => Just(b"HELLO HFP".to_vec()),
            1 => vec(any::<u8>(), 0..20),
            1 => vec(prop::sample::select(b"HEP3\0\x06\x0c".to_vec()), 0..30),
        ], 0..12),
    ) {
        let count = u8::try_from(sizes.len()).unwrap();
        let stream = pieces.concat();
        fuzz::deframe(&[&[settings, count], &sizes[..], &stream].concat());
    }

    #[test]
    fn a_frame_with_a_few_wrong_octets_does_no_harm(
        frame in 0..106_usize,
        wrong in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut frame = FRAMES[frame].clone();
        for (place, octet) in wrong {
            let place = place.index(frame.len());
            frame[place] = octet;
        }
        fuzz::parse(&frame);
        fuzz::convert(&frame);
    }

    #[test]
    fn any_octets_do_no_harm(octets in vec(any::<u8>(), 0..400)) {
        fuzz::all(&octets);
    }
}

#[test]
fn every_frame_of_the_corpus_passes_every_property() {
    for frame in FRAMES.iter() {
        fuzz::all(frame);
        fuzz::deframe(&[&[0, 3, 0, 5, 200], &frame[..]].concat());
        fuzz::deframe(&[&[3, 2, 1, 7], &frame[..]].concat());
        fuzz::rewrite(&[&[1, 14, 0, 0x0f, 5], &frame[..]].concat());
        fuzz::inflate(&[&[0xff, 0xff], &frame[..]].concat());
    }
}

/// `testdata/fuzz/TARGET/` has a few inputs that reach far, to start fuzzing from, and every input that once failed.
#[test]
fn every_seed_and_past_crasher_passes() {
    type Body = fn(&[u8]);
    let targets: [(&str, Body); 7] = [
        ("parse", fuzz::parse),
        ("deframe", fuzz::deframe),
        ("inflate", fuzz::inflate),
        ("protobuf", fuzz::protobuf),
        ("encode", fuzz::encode),
        ("convert", fuzz::convert),
        ("rewrite", fuzz::rewrite),
    ];
    for (target, body) in targets {
        let seeds = fs::read_dir(testdata().join("fuzz").join(target)).unwrap();
        let mut replayed = 0;
        for seed in seeds {
            body(&fs::read(seed.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed > 0, "{target} has no seeds");
    }
}

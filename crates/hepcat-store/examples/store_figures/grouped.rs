//! The same payloads grouped by call, under zstd level 1: what the octets on disk are compared with.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, Write},
};

use hepcat_testkit::traffic::Traffic;
use serde_json::{Value, json};

use crate::{BEGIN, Fallible};

/// Counts what is written to it.
#[derive(Debug, Default)]
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 += octets.len() as u64;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Call by call, in the order in which they end; what is open at the end comes last: once in one stream, in which a call
/// learns from those before it as far as the window of level 1 reaches, and once each call by itself.
pub(crate) fn run(rows: u64, rate: f64) -> Fallible<Value> {
    let mut compressed = zstd::stream::Encoder::new(Counted::default(), 1)?;
    let mut open: HashMap<String, Vec<u8>> = HashMap::new();
    let mut alone = zstd::bulk::Compressor::new(1)?;
    let (mut payload, mut octets_alone) = (0, 0);
    for message in Traffic::new(rate, BEGIN, 1).take(usize::try_from(rows)?) {
        payload += message.payload.len() as u64;
        match open.entry(message.call_id) {
            Entry::Occupied(mut call) => {
                call.get_mut().extend_from_slice(&message.payload);
                if message.is_last {
                    let call = call.remove();
                    compressed.write_all(&call)?;
                    octets_alone += alone.compress(&call)?.len();
                }
            }
            Entry::Vacant(call) => {
                call.insert(message.payload);
            }
        }
    }
    for call in open.values() {
        compressed.write_all(call)?;
        octets_alone += alone.compress(call)?.len();
    }
    let octets = compressed.finish()?.0 as f64 / rows as f64;
    let octets_alone = octets_alone as f64 / rows as f64;
    println!(
        "the payloads grouped by call under zstd 1: {octets:.1} octets a message in one stream, {octets_alone:.1} each call by itself"
    );
    Ok(json!({
        "octets_per_message": octets,
        "octets_per_message_alone": octets_alone,
        "payload_octets_per_message": payload as f64 / rows as f64,
    }))
}

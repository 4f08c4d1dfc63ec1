//! Reports taken apart: one block for each stream that they tell of. The worst of all of them is `call::Quality`.

use rtcp_types::{Compound, Packet, XrBlockParser, XrBlockStaticType};
use serde_json::Value;

use crate::call::Quality;

/// Blocks of one report that are read.
const MOST_BLOCKS: usize = 64;

/// What a report says about one stream.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Block {
    pub(super) ssrc: Option<u32>,
    pub(super) loss_percent: Option<f32>,
    /// In ticks of the codec's clock.
    pub(super) jitter_ticks: Option<f32>,
    pub(super) jitter_ms: Option<f32>,
    pub(super) round_trip_ms: Option<f32>,
    pub(super) mos: Option<f32>,
}

pub(super) fn blocks(payload: &[u8]) -> Vec<Block> {
    let first = payload.trim_ascii_start().first().copied();
    let mut blocks = match first {
        Some(b'{' | b'[') => serde_json::from_slice(payload)
            .map(|value| of_json(&value))
            .unwrap_or_default(),
        Some(octet) if octet >> 6 == 2 => of_rtcp(payload),
        _ => Vec::new(),
    };
    if blocks.is_empty() {
        blocks.extend(Quality::of(payload).map(whole));
    }
    blocks.truncate(MOST_BLOCKS);
    blocks
}

/// A report that names no stream.
fn whole(quality: Quality) -> Block {
    Block {
        ssrc: None,
        loss_percent: quality.loss_percent,
        jitter_ticks: None,
        jitter_ms: quality.jitter_ms,
        round_trip_ms: quality.round_trip_ms,
        mos: quality.mos,
    }
}

fn of_rtcp(payload: &[u8]) -> Vec<Block> {
    let Ok(compound) = Compound::parse(payload) else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    for packet in compound.map_while(Result::ok) {
        match packet {
            Packet::Sr(report) => {
                blocks.extend(report.report_blocks().map(|block| of_block(&block)))
            }
            Packet::Rr(report) => {
                blocks.extend(report.report_blocks().map(|block| of_block(&block)))
            }
            Packet::Xr(report) => {
                let metrics = report.block_iter();
                let metrics = metrics.filter_map(|block| block.parse_into::<Metrics<'_>>().ok());
                blocks.extend(metrics.map(|metrics| metrics.block()));
            }
            _ => {}
        }
    }
    blocks
}

/// RFC 3550 §6.4.1.
fn of_block(block: &rtcp_types::ReportBlock<'_>) -> Block {
    #[expect(clippy::cast_precision_loss, reason = "a measure, not a count")]
    let jitter_ticks = Some(block.interarrival_jitter() as f32);
    Block {
        ssrc: Some(block.ssrc()),
        loss_percent: Some(f32::from(block.fraction_lost()) * 100.0 / 256.0),
        jitter_ticks,
        ..Block::default()
    }
}

/// The VoIP metrics of RFC 3611 §4.7, their head included.
struct Metrics<'a>(&'a [u8]);

impl XrBlockStaticType for Metrics<'_> {
    const BLOCK_TYPE: u8 = 7;
}

impl<'a> XrBlockParser<'a> for Metrics<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, rtcp_types::RtcpParseError> {
        const LENGTH: usize = 36;
        let block = data.get(..LENGTH);
        block
            .map(Self)
            .ok_or(rtcp_types::RtcpParseError::Truncated {
                expected: LENGTH,
                actual: data.len(),
            })
    }

    fn header_data(&self) -> [u8; 4] {
        let head = self.0.split_first_chunk();
        head.map_or([0; 4], |(head, _)| *head)
    }
}

impl Metrics<'_> {
    fn block(&self) -> Block {
        let octet = |at: usize| self.0.get(at).copied();
        let number = |at: usize| Some(u16::from_be_bytes([octet(at)?, octet(at + 1)?]));
        let ssrc = self.0.get(4..8).and_then(|octets| octets.first_chunk());
        // 127 says that it is not known.
        let score = |at: usize| octet(at).filter(|score| (10..=50).contains(score));
        Block {
            ssrc: ssrc.map(|octets| u32::from_be_bytes(*octets)),
            loss_percent: octet(8).map(|lost| f32::from(lost) * 100.0 / 256.0),
            round_trip_ms: number(16).filter(|delay| *delay > 0).map(f32::from),
            // Of conversation, else of listening.
            mos: score(27)
                .or_else(|| score(26))
                .map(|score| f32::from(score) / 10.0),
            ..Block::default()
        }
    }
}

/// `report_blocks` as agents write them, and `report_blocks_xr` of those that know extended reports.
fn of_json(value: &Value) -> Vec<Block> {
    let list = |name: &str| match value.get(name) {
        Some(Value::Array(blocks)) => blocks.iter().collect(),
        Some(block @ Value::Object(_)) => vec![block],
        _ => Vec::new(),
    };
    let mut blocks: Vec<Block> = Vec::new();
    for block in list("report_blocks") {
        blocks.push(Block {
            ssrc: number(block, "source_ssrc").and_then(as_ssrc),
            loss_percent: number(block, "fraction_lost").map(|lost| narrow(lost * 100.0 / 256.0)),
            jitter_ticks: number(block, "ia_jitter").map(narrow),
            ..Block::default()
        });
    }
    for block in list("report_blocks_xr") {
        blocks.push(Block {
            ssrc: number(block, "id")
                .or_else(|| number(block, "ssrc"))
                .and_then(as_ssrc),
            loss_percent: number(block, "fraction_lost").map(|lost| narrow(lost * 100.0 / 256.0)),
            round_trip_ms: number(block, "round_trip_delay")
                .filter(|delay| *delay > 0.0)
                .map(narrow),
            ..Block::default()
        });
    }
    blocks
}

fn number(value: &Value, name: &str) -> Option<f64> {
    let value = value.get(name)?;
    value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .filter(|number| number.is_finite() && *number >= 0.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within its range"
)]
fn as_ssrc(number: f64) -> Option<u32> {
    (number <= f64::from(u32::MAX)).then_some(number as u32)
}

#[expect(clippy::cast_possible_truncation, reason = "a measure, not a count")]
fn narrow(number: f64) -> f32 {
    number as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_stream_has_its_block() {
        let json =
            br#"{"ssrc":1,"report_blocks":[{"source_ssrc":7,"fraction_lost":64,"ia_jitter":160},
            {"source_ssrc":"9","fraction_lost":0,"ia_jitter":80}]}"#;
        let found = blocks(json);
        let told: Vec<_> = found
            .iter()
            .map(|block| (block.ssrc, block.loss_percent, block.jitter_ticks))
            .collect();
        assert_eq!(
            told,
            [
                (Some(7), Some(25.0), Some(160.0)),
                (Some(9), Some(0.0), Some(80.0))
            ]
        );
        let text = b"VQSessionReport: CallTerm\r\nPacketLoss:NLR=5.0\r\nDelay:RTD=200 IAJ=2\r\n";
        let [one] = blocks(text)[..] else { panic!() };
        assert_eq!(
            (one.ssrc, one.loss_percent, one.jitter_ms),
            (None, Some(5.0), Some(2.0))
        );
        assert_eq!(blocks(b"{}"), []);
    }

    proptest! {
        #[test]
        fn no_octets_are_too_bad(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(blocks(&payload).len() <= MOST_BLOCKS);
        }
    }
}

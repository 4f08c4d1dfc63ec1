//! Reports about media: RTCP in binary and as JSON, and the text of RFC 6035 (`application/vq-rtcpxr`).

use rtcp_types::{Compound, Packet, RtcpParseError, XrBlockParser, XrBlockStaticType};
use serde_json::Value;

use super::quality::Quality;

/// What `payload` says about quality. `None` where it says nothing that is understood.
pub(super) fn quality(payload: &[u8]) -> Option<Quality> {
    let found = match payload.trim_ascii_start().first()? {
        b'{' | b'[' => of_json(&serde_json::from_slice(payload).ok()?),
        octet if octet >> 6 == 2 => of_rtcp(payload),
        _ => of_text(payload),
    };
    (found != Quality::default()).then_some(found)
}

fn of_rtcp(payload: &[u8]) -> Quality {
    let mut quality = Quality::default();
    let Ok(compound) = Compound::parse(payload) else {
        return quality;
    };
    for packet in compound.map_while(Result::ok) {
        match packet {
            Packet::Sr(report) => report
                .report_blocks()
                .for_each(|block| quality.worsen(of_block(&block))),
            Packet::Rr(report) => report
                .report_blocks()
                .for_each(|block| quality.worsen(of_block(&block))),
            Packet::Xr(report) => {
                for metrics in report
                    .block_iter()
                    .filter_map(|block| block.parse_into::<VoipMetrics<'_>>().ok())
                {
                    quality.worsen(metrics.quality());
                }
            }
            _ => {}
        }
    }
    quality
}

/// A report block of RFC 3550 §6.4.1.
fn of_block(block: &rtcp_types::ReportBlock<'_>) -> Quality {
    Quality {
        loss_percent: Some(f32::from(block.fraction_lost()) * 100.0 / 256.0),
        jitter_ms: Some(ticks_to_ms(block.interarrival_jitter())),
        ..Quality::default()
    }
}

/// RTCP counts jitter in ticks of the codec's clock, which it does not name; 8 kHz is that of most telephony.
fn ticks_to_ms(ticks: u32) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a measure of milliseconds needs no 32 bits"
    )]
    let ticks = ticks as f32;
    ticks / 8.0
}

/// The VoIP metrics block of RFC 3611 §4.7, its head included.
struct VoipMetrics<'a>(&'a [u8]);

impl XrBlockStaticType for VoipMetrics<'_> {
    const BLOCK_TYPE: u8 = 7;
}

impl<'a> XrBlockParser<'a> for VoipMetrics<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, RtcpParseError> {
        const LENGTH: usize = 36;
        let block = data.get(..LENGTH);
        block.map(Self).ok_or(RtcpParseError::Truncated {
            expected: LENGTH,
            actual: data.len(),
        })
    }

    fn header_data(&self) -> [u8; 4] {
        let head = self.0.split_first_chunk();
        head.map_or([0; 4], |(head, _)| *head)
    }
}

impl VoipMetrics<'_> {
    fn quality(&self) -> Quality {
        let octet = |at: usize| self.0.get(at).copied();
        let number = |at: usize| Some(u16::from_be_bytes([octet(at)?, octet(at + 1)?]));
        // 127 says that it is not known.
        let score = |at: usize| {
            octet(at)
                .filter(|score| (10..=50).contains(score))
                .map(|score| f32::from(score) / 10.0)
        };
        Quality {
            loss_percent: octet(8).map(|lost| f32::from(lost) * 100.0 / 256.0),
            round_trip_ms: number(16).filter(|delay| *delay > 0).map(f32::from),
            mos: score(26).into_iter().chain(score(27)).reduce(f32::min),
            jitter_ms: None,
        }
    }
}

/// RTCP as agents write it: `report_blocks` with `fraction_lost` and `ia_jitter`; and statistics with a score.
fn of_json(value: &Value) -> Quality {
    let mut quality = Quality::default();
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let number = value
                    .as_f64()
                    .or_else(|| value.as_str()?.trim().parse().ok());
                #[expect(clippy::cast_possible_truncation, reason = "a measure, not a count")]
                let number = number.map(|number| number as f32);
                match (name.to_ascii_lowercase().as_str(), number) {
                    ("fraction_lost", Some(lost)) => {
                        let loss_percent = Some(lost * 100.0 / 256.0);
                        quality.worsen(Quality {
                            loss_percent,
                            ..Quality::default()
                        });
                    }
                    ("ia_jitter", Some(ticks)) => {
                        let jitter_ms = Some(ticks / 8.0);
                        quality.worsen(Quality {
                            jitter_ms,
                            ..Quality::default()
                        });
                    }
                    ("mos" | "min_mos" | "moslq" | "moscq", Some(mos)) if mos > 0.0 => {
                        // Some send it times 100, some times 10.
                        let scale = if mos > 50.0 {
                            100.0
                        } else if mos > 5.0 {
                            10.0
                        } else {
                            1.0
                        };
                        quality.worsen(Quality {
                            mos: Some(mos / scale),
                            ..Quality::default()
                        });
                    }
                    (
                        "packet_loss_percent" | "mean_packetloss" | "packetloss_percent",
                        loss_percent,
                    ) => {
                        quality.worsen(Quality {
                            loss_percent,
                            ..Quality::default()
                        });
                    }
                    ("rtt" | "mean_rtt" | "round_trip_delay", round_trip_ms) => {
                        quality.worsen(Quality {
                            round_trip_ms,
                            ..Quality::default()
                        });
                    }
                    _ => quality.worsen(of_json(value)),
                }
            }
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| quality.worsen(of_json(value))),
        _ => {}
    }
    quality
}

/// `QualityEst:MOSLQ=4.2 MOSCQ=4.1`, `PacketLoss:NLR=5.0`, `Delay:RTD=200 IAJ=2` of RFC 6035 §4.6.2.
fn of_text(payload: &[u8]) -> Quality {
    let mut quality = Quality::default();
    for line in payload.split(|octet| *octet == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let Some((_, values)) = line.split_once(':') else {
            continue;
        };
        for (name, value) in values
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
        {
            let number: Option<f32> = value.parse().ok();
            let mut one = Quality::default();
            match name {
                "MOSLQ" | "MOSCQ" => one.mos = number.filter(|mos| (1.0..=5.0).contains(mos)),
                "NLR" => one.loss_percent = number,
                "RTD" => one.round_trip_ms = number,
                "IAJ" => one.jitter_ms = number,
                _ => {}
            }
            quality.worsen(one);
        }
    }
    quality
}

/// Words of `payload` that may be a Call-ID: what stands between spaces, quotation marks and commas, and what follows
/// a `:` or `=` in that. At most so many that a long text costs little.
pub(super) fn words(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    const MAX_WORDS: usize = 256;
    const MIN_WORD: usize = 6;
    payload
        .split(|octet| octet.is_ascii_whitespace() || matches!(octet, b'"' | b'\'' | b',' | b';'))
        .filter(|word| word.len() >= MIN_WORD)
        .take(MAX_WORDS)
        .flat_map(|word| {
            let value = word.iter().position(|octet| matches!(octet, b':' | b'='));
            let value = value.and_then(|at| word.get(at + 1..)).unwrap_or_default();
            [word, value].map(without_brackets)
        })
        .filter(|word| word.len() >= MIN_WORD)
}

fn without_brackets(word: &[u8]) -> &[u8] {
    let is_bracket =
        |octet: &u8| matches!(octet, b'(' | b')' | b'[' | b']' | b'<' | b'>' | b'{' | b'}');
    let start = word.iter().take_while(|octet| is_bracket(octet)).count();
    let rest = word.get(start..).unwrap_or_default();
    let end = rest
        .iter()
        .rev()
        .take_while(|octet| is_bracket(octet) || **octet == b'.')
        .count();
    rest.get(..rest.len() - end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtcp_types::{ReceiverReport, ReportBlock, prelude::RtcpPacketWriterExt};

    use super::*;

    #[test]
    fn a_receiver_report_is_read() {
        let block = ReportBlock::builder(7)
            .fraction_lost(64)
            .interarrival_jitter(160);
        let report = ReceiverReport::builder(1).add_report_block(block);
        let mut octets = [0; 64];
        let length = report.write_into(&mut octets).unwrap();
        let found = quality(&octets[..length]).unwrap();
        assert_eq!(
            (found.loss_percent, found.jitter_ms),
            (Some(25.0), Some(20.0))
        );
        assert!(found.is_poor());
    }

    #[test]
    fn voip_metrics_are_read() {
        let mut octets = vec![0x80, 207, 0, 10, 0, 0, 0, 1, 7, 0, 0, 8];
        octets.extend([
            0, 0, 0, 2, 128, 0, 0, 0, 0, 0, 0, 0, 0, 90, 0, 0, 0, 0, 127, 16, 80, 127, 41, 127,
        ]);
        octets.resize(44, 0);
        let found = quality(&octets).unwrap();
        assert_eq!(found.loss_percent, Some(50.0));
        assert_eq!((found.round_trip_ms, found.mos), (Some(90.0), Some(4.1)));
    }

    #[test]
    fn json_and_text_are_read() {
        let json =
            br#"{"report_blocks":[{"fraction_lost":128,"ia_jitter":"80"}],"type":200,"MOS":"380"}"#;
        let found = quality(json).unwrap();
        assert_eq!(
            (found.loss_percent, found.jitter_ms, found.mos),
            (Some(50.0), Some(10.0), Some(3.8))
        );
        let text = b"VQSessionReport: CallTerm\r\nCallID: 1@h\r\nPacketLoss:NLR=5.0 JDR=2.0\r\n\
            Delay:RTD=200 IAJ=2\r\nQualityEst:RLQ=90 MOSLQ=4.2 MOSCQ=4.1\r\n";
        let found = quality(text).unwrap();
        assert_eq!(
            (found.loss_percent, found.mos, found.round_trip_ms),
            (Some(5.0), Some(4.1), Some(200.0))
        );
        assert_eq!(quality(b"{}"), None);
        assert_eq!(quality(b""), None);
    }

    #[test]
    fn words_may_stand_in_any_clothes() {
        let found =
            |text: &'static str, id: &str| words(text.as_bytes()).any(|word| word == id.as_bytes());
        assert!(found(r#"{"call_id":"abc123@h","x":1}"#, "abc123@h"));
        assert!(found("CallID:abc123@h\r\n", "abc123@h"));
        assert!(found("call <abc123@h> failed", "abc123@h"));
        assert!(found("ci=abc123@h.", "abc123@h"));
        assert!(found("[abc:123-def]", "abc:123-def"));
    }

    proptest! {
        #[test]
        fn no_octets_are_too_bad(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = quality(&payload);
            prop_assert!(words(&payload).count() <= 512);
        }

        #[test]
        fn nor_is_what_looks_like_rtcp(mut payload in proptest::collection::vec(any::<u8>(), 8..200), kind in 200_u8..208) {
            payload[0] = 0x80 | (payload[0] & 0x3f);
            payload[1] = kind;
            payload[2] = 0;
            payload[3] = u8::try_from(payload.len() / 4 - 1).unwrap();
            payload.truncate(payload.len() / 4 * 4);
            let _ = quality(&payload);
        }
    }
}

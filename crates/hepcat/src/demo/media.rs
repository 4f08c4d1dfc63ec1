//! Reports about media, as agents write and as phones send them.

use serde_json::json;

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) loss_percent: f64,
    pub(super) jitter_ms: f64,
    pub(super) round_trip_ms: u16,
    /// Mean opinion score, 1 to 5.
    pub(super) mos: f64,
    pub(super) ssrc: u32,
    pub(super) packets: u32,
}

impl Figures {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to an octet"
    )]
    fn fraction_lost(&self) -> u8 {
        (self.loss_percent * 256.0 / 100.0)
            .round()
            .clamp(0.0, 255.0) as u8
    }

    /// In ticks of a clock of 8 kHz.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the field"
    )]
    fn jitter(&self) -> u32 {
        (self.jitter_ms * 8.0).round().clamp(0.0, 1e6) as u32
    }

    /// Ten times the score, as RFC 3611 §4.7.5 has it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to its range"
    )]
    fn score(&self) -> u8 {
        (self.mos * 10.0).round().clamp(10.0, 50.0) as u8
    }
}

/// A sender report as capture agents write it: JSON.
pub(super) fn sender_report(figures: &Figures) -> Vec<u8> {
    let lost = f64::from(figures.packets) * figures.loss_percent / 100.0;
    let report = json!({
        "sender_information": {
            "ntp_timestamp_sec": 0, "ntp_timestamp_usec": 0, "rtp_timestamp": figures.packets.wrapping_mul(160),
            "packets": figures.packets, "octets": figures.packets.wrapping_mul(160),
        },
        "ssrc": figures.ssrc, "type": 200, "report_count": 1,
        "report_blocks": [{
            "source_ssrc": figures.ssrc ^ 1, "fraction_lost": figures.fraction_lost(), "packets_lost": lost.round(),
            "highest_seq_no": figures.packets, "ia_jitter": figures.jitter(), "lsr": 0, "dlsr": 0,
        }],
    });
    report.to_string().into_bytes()
}

/// A receiver report with an extended report behind it (RFC 3550 §6.4.2, RFC 3611 §4.7), in octets.
pub(super) fn extended_report(figures: &Figures) -> Vec<u8> {
    let mut octets = vec![0x81, 201, 0, 7];
    octets.extend(figures.ssrc.to_be_bytes());
    octets.extend((figures.ssrc ^ 1).to_be_bytes());
    octets.push(figures.fraction_lost());
    octets.extend([0, 0, 0]);
    octets.extend(figures.packets.to_be_bytes());
    octets.extend(figures.jitter().to_be_bytes());
    octets.extend([0; 8]);
    // Extended report: header, sender, and one block of VoIP metrics, 9 words with its head.
    octets.extend([0x80, 207, 0, 10]);
    octets.extend(figures.ssrc.to_be_bytes());
    octets.extend([7, 0, 0, 8]);
    octets.extend((figures.ssrc ^ 1).to_be_bytes());
    // Loss, discard, burst and gap density; burst and gap duration.
    octets.extend([figures.fraction_lost(), 0, 0, 0, 0, 0, 0, 0]);
    octets.extend(figures.round_trip_ms.to_be_bytes());
    // End system delay; signal, noise, residual echo, Gmin.
    octets.extend([0, 20, 0xe7, 0xba, 127, 16]);
    // R factor, external R factor, MOS of listening and of conversation.
    octets.extend([
        figures.score().saturating_mul(2),
        127,
        figures.score(),
        figures.score(),
    ]);
    // Configuration; jitter buffer: nominal, maximum, absolute maximum.
    octets.extend([0x30, 0, 0, 60, 0, 100, 0, 200]);
    octets
}

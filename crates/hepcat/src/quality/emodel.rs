//! The E-model of ITU-T G.107 as far as reports feed it, with the codec tables of ITU-T G.113 appendix I.

use serde::Serialize;

/// R of a connection without any impairment, all other parameters at their defaults (G.107 §7.7).
const BEST_R: f32 = 93.2;
/// Milliseconds that a packet holds, where nobody says otherwise.
const PACKET_MS: f32 = 20.0;

/// What the model takes for a codec.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CodecModel {
    /// Equipment impairment without loss (Ie).
    pub ie: f32,
    /// Robustness against random loss (Bpl).
    pub bpl: f32,
    /// Clock in Hz by which RTCP counts jitter.
    pub clock_hz: f32,
    /// Whether G.113 has these figures; otherwise they are those of G.711 with concealment, for want of better ones.
    pub tabulated: bool,
}

/// `name, Ie, Bpl, clock`: G.113 (2007) tables I.1 to I.4; G.711 with packet loss concealment.
const CODECS: &[(&str, f32, f32, f32)] = &[
    ("PCMA", 0.0, 25.1, 8_000.0),
    ("PCMU", 0.0, 25.1, 8_000.0),
    ("G729", 11.0, 19.0, 8_000.0),
    ("G723", 15.0, 16.1, 8_000.0),
    ("GSM-EFR", 5.0, 10.0, 8_000.0),
    ("GSM", 20.0, 10.0, 8_000.0),
    ("AMR", 5.0, 10.0, 8_000.0),
    ("G726-32", 7.0, 10.0, 8_000.0),
    ("G728", 7.0, 10.0, 8_000.0),
    ("iLBC", 11.0, 32.0, 8_000.0),
];

/// What the model takes for the codec of this name, in any case.
#[must_use]
pub fn model_of(codec: &str) -> CodecModel {
    let found = CODECS
        .iter()
        .find(|(name, ..)| name.eq_ignore_ascii_case(codec));
    if let Some((_, ie, bpl, clock_hz)) = found.copied() {
        return CodecModel {
            ie,
            bpl,
            clock_hz,
            tabulated: true,
        };
    }
    let clock_hz = match codec.to_ascii_lowercase().as_str() {
        "opus" => 48_000.0,
        "amr-wb" | "speex" | "g7221" => 16_000.0,
        // G.722 counts by 8 kHz, by an old mistake that RFC 3551 §4.5.2 keeps.
        _ => 8_000.0,
    };
    CodecModel {
        ie: 0.0,
        bpl: 25.1,
        clock_hz,
        tabulated: false,
    }
}

/// What reports say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it is built by whoever asks for an estimate"
)]
pub struct Inputs {
    /// Packets lost, in percent.
    pub loss_percent: f32,
    /// Jitter in milliseconds; taken as 0 where it is not known.
    pub jitter_ms: Option<f32>,
    /// Round trip in milliseconds; taken as 0 where it is not known.
    pub round_trip_ms: Option<f32>,
}

/// A score, and what it comes of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// Mean opinion score of conversation, 1 to 4.5.
    pub mos: f32,
    /// The model's R, 0 to 93.2.
    pub r: f32,
    /// One-way delay in milliseconds: half the round trip, twice the jitter for the buffer, one packet.
    pub delay_ms: f32,
    /// Impairment by delay (Idd).
    pub id: f32,
    /// Impairment by codec and loss (Ie,eff).
    pub ie_eff: f32,
    /// What reports said.
    pub inputs: Inputs,
}

/// The score of these figures (G.107 §7, annex B).
#[must_use]
pub fn estimate(model: &CodecModel, inputs: Inputs) -> Estimate {
    let loss = inputs.loss_percent.clamp(0.0, 100.0);
    let jitter = inputs.jitter_ms.unwrap_or(0.0).clamp(0.0, 1_000.0);
    let round_trip = inputs.round_trip_ms.unwrap_or(0.0).clamp(0.0, 10_000.0);
    let delay_ms = round_trip / 2.0 + 2.0 * jitter + PACKET_MS;
    let id = impairment_of_delay(delay_ms);
    // Random loss: BurstR is 1.
    let ie_eff = model.ie + (95.0 - model.ie) * loss / (loss + model.bpl);
    let r = (BEST_R - id - ie_eff).clamp(0.0, 100.0);
    let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6;
    Estimate {
        mos: mos.clamp(1.0, 4.5),
        r,
        delay_ms,
        id,
        ie_eff,
        inputs,
    }
}

/// Idd: nothing up to 100 ms, echo taken as cancelled (G.107 §7.4).
fn impairment_of_delay(delay_ms: f32) -> f32 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let sixth = |x: f32| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(codec: &str, loss_percent: f32, jitter_ms: f32, round_trip_ms: f32) -> f32 {
        let inputs = Inputs {
            loss_percent,
            jitter_ms: Some(jitter_ms),
            round_trip_ms: Some(round_trip_ms),
        };
        estimate(&model_of(codec), inputs).mos
    }

    #[test]
    fn scores_are_those_that_the_model_is_known_for() {
        for (codec, loss, jitter, round_trip, expected) in [
            // R 93.2 is a score of 4.41 (G.107 annex B); G.729 without loss 4.1.
            ("PCMA", 0.0, 0.0, 0.0, 4.41),
            ("g729", 0.0, 0.0, 0.0, 4.10),
            ("PCMU", 5.0, 0.0, 0.0, 3.92),
            ("PCMA", 100.0, 0.0, 0.0, 1.18),
            ("G723", 10.0, 0.0, 0.0, 2.45),
            ("PCMA", 0.0, 0.0, 760.0, 3.57),
        ] {
            let found = mos(codec, loss, jitter, round_trip);
            assert!(
                (found - expected).abs() < 0.02,
                "{codec} {loss} {round_trip}: {found}"
            );
        }
    }

    #[test]
    fn worse_figures_never_score_better() {
        let mut before = 5.0;
        for step in 0_u8..100 {
            let step = f32::from(step);
            let now = mos("opus", step, step * 3.0, step * 20.0);
            assert!(now <= before && (1.0..=4.5).contains(&now));
            before = now;
        }
        assert!(!model_of("opus").tabulated && model_of("pcma").tabulated);
    }

    #[test]
    fn figures_that_nobody_can_mean_give_a_score_all_the_same() {
        for bad in [f32::NAN, f32::INFINITY, -5.0, 1e30] {
            let found = mos("PCMA", bad, bad, bad);
            assert!(
                found.is_nan() || (1.0..=4.5).contains(&found),
                "{bad}: {found}"
            );
        }
    }
}

//! Envelopes of generated messages. The test that others read segments makes the same.

use hepcat_store::{Envelope, Part};
use hepcat_testkit::traffic::SipMessage;

/// What of a frame its row says too.
pub(crate) fn envelope_of(message: &SipMessage) -> Envelope<'_> {
    let whole = Envelope::new(&message.frame).with(Part::FrameLength, 4..6);
    message
        .chunks()
        .fold(whole, |envelope, (chunk_type, value)| {
            let part = match chunk_type {
                0x0003 => Part::SrcIp,
                0x0004 => Part::DstIp,
                0x0007 => Part::SrcPort,
                0x0008 => Part::DstPort,
                0x0009 => Part::Seconds,
                0x000a => Part::Microseconds,
                0x000f => {
                    let length = value.start - 2..value.start;
                    let envelope = envelope.with(Part::ChunkLength, length);
                    return envelope.with(Part::Payload, value);
                }
                0x0011 => Part::CorrelationId,
                _ => return envelope,
            };
            envelope.with(part, value)
        })
}

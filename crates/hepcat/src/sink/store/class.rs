//! Which class of traffic a message belongs to: what the store keeps apart, and lets go at a time of its own.

use hepcat_sip::Scan;
use hepcat_store::Class;
use hepcat_wire::ProtocolType;

/// The class of a message. What is SIP says so itself, whatever protocol type a relay has written on it.
#[must_use]
pub fn class_of(protocol_type: Option<ProtocolType>, sip: Option<&Scan<'_>>) -> Class {
    if let Some(sip) = sip {
        // A response to nothing recognisable is SIP like any other.
        let method = sip.method().or_else(|| sip.cseq_method());
        return method.map_or(Class::Sip, class_of_method);
    }
    // HEP3 rev. 37, and what OpenSIPS sends beside it.
    match protocol_type.map(|number| number.0) {
        Some(0x01) => Class::Sip,
        Some(0x05 | 0x20 | 0x22 | 0x23 | 0x3a | 0x63) => Class::Rtcp,
        Some(0x3c | 0x57..=0x5a | 0x60 | 0x64 | 0x65) => Class::Log,
        _ => Class::Other,
    }
}

/// The class of SIP with this method, which is what it stands under in the store; in other case it is none of ours.
#[must_use]
pub fn class_of_method(method: &[u8]) -> Class {
    match method {
        // REFER stands with the calls: where it is sent outside of one it is about one.
        b"INVITE" | b"ACK" | b"BYE" | b"CANCEL" | b"PRACK" | b"UPDATE" | b"INFO" | b"REFER" => {
            Class::Call
        }
        b"REGISTER" => Class::Registration,
        b"OPTIONS" => Class::Options,
        _ => Class::Sip,
    }
}

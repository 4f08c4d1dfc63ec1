//! The parameters of `proto_hep` as the keys of `[hep]`.

use super::{
    parameters::{self, Parameter},
    reader::Value,
    source::Sources,
    tally::Tally,
    toml::{Section, quote},
};

/// How a number must be, and what to do with one that is not.
#[derive(Clone, Copy)]
struct Number {
    name: &'static str,
    least: i64,
    most: i64,
}

/// The numbers of `[hep]` and their ranges, in the order of the module's documentation.
const NUMBERS: [Number; 12] = [
    number("homer5_on", i32::MIN as i64, i32::MAX as i64),
    number("hep_port", 1, 65_535),
    number("hep_send_timeout", 1, 60_000),
    number("hep_max_msg_chunks", i32::MIN as i64, i32::MAX as i64),
    number("hep_async", 0, 1),
    number("hep_async_max_postponed_chunks", 1, 1_000_000),
    number("hep_capture_id", 0, u32::MAX as i64),
    number("hep_async_local_connect_timeout", 0, 60_000),
    number("hep_async_local_write_timeout", 0, 60_000),
    number("compressed_payload", 0, 1),
    number("hep_max_retries", 1, i32::MAX as i64),
    number("hep_retry_cooldown", 1, 86_400),
];

const fn number(name: &'static str, least: i64, most: i64) -> Number {
    Number { name, least, most }
}

/// What the other tables have to know of the parameters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// Port of a socket that names none.
    pub(super) hep_port: Option<u16>,
    pub(super) capture_id: Option<u32>,
}

/// Writes the keys, and the lines that became none.
pub(super) fn write(
    section: &mut Section,
    parameters: &[Parameter<'_>],
    sources: &Sources,
    tally: &mut Tally,
) -> Known {
    let mut known = Known::default();
    for range in NUMBERS {
        let (Some(last), earlier) = parameters::last(parameters, range.name) else {
            continue;
        };
        lose_earlier(section, &earlier, sources, tally);
        match fit(range, last.value) {
            Ok((number, note)) => {
                if let Some(note) = note {
                    section.origin(sources, last.span);
                    section.line(format!("#   {note}"));
                }
                section.key(range.name, number);
                tally.converted(sources, last.span);
                if range.name == "hep_port" {
                    known.hep_port = u16::try_from(number).ok();
                }
                if range.name == "hep_capture_id" {
                    known.capture_id = u32::try_from(number).ok();
                }
            }
            Err(why) => {
                section.lost(sources, last.span, &why);
                tally.commented(sources, last.span);
            }
        }
    }
    if let (Some(last), earlier) = parameters::last(parameters, "homer5_delim") {
        const LONGEST: usize = 255;
        lose_earlier(section, &earlier, sources, tally);
        let text = last.value.text();
        if text.len() <= LONGEST {
            section.key("homer5_delim", quote(&text));
            tally.converted(sources, last.span);
        } else {
            section.lost(sources, last.span, "it is longer than 255 octets");
            tally.commented(sources, last.span);
        }
    }
    let known_name = |name: &str| {
        matches!(name, "homer5_delim" | "hep_id") || NUMBERS.iter().any(|own| own.name == name)
    };
    let strange = |own: &&Parameter<'_>| own.exact && !known_name(own.name);
    for parameter in parameters.iter().filter(strange) {
        let why = "proto_hep has no parameter of that name";
        section.lost(sources, parameter.span, why);
        tally.commented(sources, parameter.span);
    }
    known
}

/// Lines that a later one overrides.
pub(super) fn lose_earlier(
    section: &mut Section,
    earlier: &[&Parameter<'_>],
    sources: &Sources,
    tally: &mut Tally,
) {
    for parameter in earlier {
        section.lost(
            sources,
            parameter.span,
            "a later line sets it again, and counts",
        );
        tally.commented(sources, parameter.span);
    }
}

/// The number as it can be written, with what has to be said about it.
fn fit(range: Number, value: &Value) -> Result<(i64, Option<&'static str>), String> {
    let Some(number) = value.number() else {
        return Err("the value is no number".to_owned());
    };
    let Number { name, least, most } = range;
    if (least..=most).contains(&number) {
        return Ok((number, None));
    }
    match name {
        // Switches of C.
        "hep_async" | "compressed_payload" => Ok((1, Some("anything but 0 is on"))),
        "hep_async_max_postponed_chunks" if number <= 0 => {
            Ok((32, Some("0 and below are 32 in the module")))
        }
        "hep_capture_id" if number < 0 && number >= i64::from(i32::MIN) => {
            let wrapped = number + (1 << 32);
            Ok((
                wrapped,
                Some("a negative number goes out as its two's complement"),
            ))
        }
        _ => Err(format!(
            "{number} is out of range: {name} may be {least} to {most}"
        )),
    }
}

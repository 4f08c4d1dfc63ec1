use std::fmt::Write;

use rustls_pki_types::CertificateDer;
use x509_parser::{
    asn1_rs::ToDer,
    certificate::X509Certificate,
    prelude::FromDer,
    x509::{AttributeTypeAndValue, X509Name},
};

/// Subject of a certificate in the string form of RFC 4514: the most specific part first
/// (`CN=edge-1,OU=sip,O=Example`), an empty string for an empty subject, `None` where the octets are no
/// certificate.
///
/// Attribute types without a name in RFC 4514 §3, and values that are no text, are written as that document
/// asks: dotted number, equals sign, `#` and the value's DER in hexadecimal.
#[must_use]
pub fn certificate_subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(rfc4514(parsed.subject()))
}

fn rfc4514(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    match (short_name(&oid), attribute.as_str()) {
        (Some(name), Ok(text)) => format!("{name}={}", escape(text)),
        (name, _) => {
            let der = attribute.attr_value().to_der_vec().unwrap_or_default();
            let mut out = format!("{}=#", name.unwrap_or(&oid));
            for octet in der {
                write!(out, "{octet:02x}").expect("writing to a String cannot fail");
            }
            out
        }
    }
}

/// RFC 4514 §3, the table of attribute types.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.6" => "C",
        "2.5.4.9" => "STREET",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        _ => return None,
    })
}

/// RFC 4514 §2.4: what has a meaning in the string form is preceded by a backslash.
fn escape(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '\0' => out.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '#' if at == 0 => out.push_str("\\#"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn subject(parts: Vec<(DnType, DnValue)>) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind, value);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        certificate_subject(certificate.der()).unwrap()
    }

    fn text(value: &str) -> DnValue {
        DnValue::Utf8String(value.to_owned())
    }

    #[test]
    fn most_specific_part_comes_first() {
        let got = subject(vec![
            (DnType::CountryName, text("FR")),
            (DnType::OrganizationName, text("Example")),
            (DnType::CommonName, text("edge-1")),
        ]);
        assert_eq!(got, "CN=edge-1,O=Example,C=FR");
    }

    #[test]
    fn separators_in_a_value_are_escaped() {
        let got = subject(vec![(DnType::CommonName, text("# a,b+c\\d=\"e\" "))]);
        assert_eq!(got, "CN=\\# a\\,b\\+c\\\\d=\\\"e\\\"\\ ");
    }

    #[test]
    fn types_without_a_name_are_given_as_number_and_der() {
        let serial = DnType::CustomDnType(vec![2, 5, 4, 5]);
        let got = subject(vec![(serial, text("A7"))]);
        assert_eq!(got, "2.5.4.5=#0c024137");
    }

    #[test]
    fn an_empty_subject_is_an_empty_string() {
        assert_eq!(subject(Vec::new()), "");
    }

    #[test]
    fn octets_that_are_no_certificate_have_no_subject() {
        assert_eq!(
            certificate_subject(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])),
            None
        );
    }
}

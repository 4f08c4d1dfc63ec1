use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn shown(text: &str) -> Result<String, String> {
    match parse(text) {
        Ok(id) => Ok(format!(
            "{} {} v{}",
            id.name,
            id.socket,
            id.version.number()
        )),
        Err(faults) => Err(faults
            .iter()
            .map(|fault| {
                let at = text.get(fault.span()).unwrap();
                format!("{at:?} {}", fault.message())
            })
            .collect::<Vec<_>>()
            .join(" | ")),
    }
}

/// The three examples of the module's documentation, and what the original was seen to accept.
#[rstest]
#[case(
    "[hep_dst] 127.0.0.1:8001; transport=tcp; version=3",
    "hep_dst hep_tcp:127.0.0.1:8001 v3"
)]
#[case("[hep_dst] 1.2.3.4:5000; version=2", "hep_dst hep_udp:1.2.3.4:5000 v2")]
#[case("[hep_dst] 1.2.3.4:5000", "hep_dst hep_tcp:1.2.3.4:5000 v3")]
#[case("[hid]10.10.10.10", "hid hep_tcp:10.10.10.10:9060 v3")]
#[case("[h] 10.10.10.10:9060 ; version=3;", "h hep_tcp:10.10.10.10:9060 v3")]
#[case("[h] 10.10.10.10:9060; transport=UDP", "h hep_udp:10.10.10.10:9060 v3")]
#[case(
    "[h] 10.0.0.1:9060; transport=tcp; transport=udp",
    "h hep_udp:10.0.0.1:9060 v3"
)]
#[case("[h] 10.0.0.1:9060; version = 3", "h hep_tcp:10.0.0.1:9060 v3")]
#[case("[ h ] 10.0.0.1", "h hep_tcp:10.0.0.1:9060 v3")]
#[case("  [h] 10.0.0.1\r\n", "h hep_tcp:10.0.0.1:9060 v3")]
#[case("[h] 10.0.0.1; version=1", "h hep_udp:10.0.0.1:9060 v1")]
#[case("[h] 10.0.0.1; version=1; transport=udp", "h hep_udp:10.0.0.1:9060 v1")]
#[case("[h] 10.0.0.1; version=3; transport=tls", "h hep_tls:10.0.0.1:9060 v3")]
#[case(
    "[h] collector.example.net:9061;transport=TLS",
    "h hep_tls:collector.example.net:9061 v3"
)]
fn what_the_original_accepts_means_the_same(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(shown(text).as_deref(), Ok(expected));
}

/// What the original dies of or refuses and we accept.
#[rstest]
#[case("[h] [2001:db8::1]:9060", "h hep_tcp:[2001:db8::1]:9060 v3")]
#[case("[h] [2001:db8::1]", "h hep_tcp:[2001:db8::1]:9060 v3")]
#[case("[h] [::1]:1; version=2", "h hep_udp:[::1]:1 v2")]
#[case("[h] 10.0.0.1; version=03", "h hep_tcp:10.0.0.1:9060 v3")]
#[case(
    "[h] 10.0.0.1; version  =\t3 ;\n transport =  tls",
    "h hep_tls:10.0.0.1:9060 v3"
)]
#[case("[h] uri=10.0.0.1:1; version=2", "h hep_udp:10.0.0.1:1 v2")]
#[case("[h] version=2; uri = 10.0.0.1:1", "h hep_udp:10.0.0.1:1 v2")]
#[case("[h] transport=tls; version=3; uri=[::1]", "h hep_tls:[::1]:9060 v3")]
fn what_only_we_accept(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(shown(text).as_deref(), Ok(expected));
}

/// What the original refuses too.
#[rstest]
#[case("", r#""" it does not begin with a name in brackets"#)]
#[case(
    "10.0.0.1:9060",
    r#""10.0.0.1:9060" it does not begin with a name in brackets"#
)]
#[case(
    "[h 10.0.0.1",
    r#""[h 10.0.0.1" the bracket of the name is not closed"#
)]
#[case("[h]", r#""" the address is missing"#)]
#[case("[h] ;", r#""" the address is missing"#)]
#[case("[h]; transport=tcp", r#""" the address is missing"#)]
#[case(
    "[h] 10.0.0.1:9060; Transport=tcp",
    r#""Transport" `Transport` is no parameter of a hep_id"#
)]
#[case(
    "[h] 10.0.0.1:9060; transport=tcp version=3",
    r#""tcp version=3" `tcp version=3` is two parameters in one"#
)]
#[case(
    "[h] 10.0.0.1:9060; transport",
    r#""transport" `transport` has no value"#
)]
#[case("[h] 10.0.0.1:9060; transport=", r#""" `transport` has no value"#)]
#[case(
    "[h] version=3; 10.0.0.1:9060",
    r#""10.0.0.1:9060" the address does not come first"#
)]
#[case(
    "[h] 10.0.0.1:9060;; transport=tcp",
    r#""" there is nothing between two semicolons"#
)]
#[case(
    "[h] 10.0.0.1:9060; transport=tcp;;",
    r#""" there is nothing between two semicolons"#
)]
#[case(
    "[h] 10.0.0.1:9060; transport=sctp",
    r#""sctp" `sctp` is no transport"#
)]
#[case("[h] 10.0.0.1:9060; version=4", r#""4" `4` is no version"#)]
#[case("[h] 10.0.0.1:9060; version=0", r#""0" `0` is no version"#)]
#[case("[h] 10.0.0.1:9060; version=3x", r#""3x" `3x` is no version"#)]
#[case("[h] 10.0.0.1:; version=3", r#""" there is no port after the colon"#)]
#[case("[h] 10.0.0.1:9060/tcp", r#""9060/tcp" `9060/tcp` is no port"#)]
#[case(
    "[h] hep:10.0.0.1:9060",
    r#""10.0.0.1:9060" `10.0.0.1:9060` is no port"#
)]
#[case(
    "[h] udp:10.0.0.1:9060",
    r#""10.0.0.1:9060" `10.0.0.1:9060` is no port"#
)]
#[case(
    "[h] 2001:db8::1",
    r#""2001:db8::1" the IPv6 address `2001:db8::1` stands without brackets"#
)]
#[case("[h] $var(x):90", r#""$" '$' cannot stand in an address"#)]
#[case("[h] \"10.0.0.1\":90", r#""\"" '"' cannot stand in an address"#)]
fn what_nobody_accepts(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(shown(text), Err(expected.to_owned()));
}

/// What the original cuts, ignores or changes in silence.
#[rstest]
#[case("[] 10.0.0.1", r#""[]" the name is empty"#)]
#[case("[h x] 10.0.0.1", r#""h x" the name `h x` is cut by white space"#)]
#[case(
    "[h] 10.0.0.1 9060",
    r#""9060" `9060` does not belong to the address before it"#
)]
#[case(
    "[h] 10.0.0.1:9060,10.0.0.2:9060",
    r#""10.0.0.2:9060" this is a second address"#
)]
#[case(
    "[h] 10.0.0.1:9060; 10.0.0.2:9060",
    r#""10.0.0.2:9060" this is a second address"#
)]
#[case(
    "[h] 10.0.0.1; uri=10.0.0.2",
    r#""uri=10.0.0.2" this is a second address"#
)]
#[case(
    "[h] uri=10.0.0.1; uri=10.0.0.1",
    r#""uri=10.0.0.1" this is a second address"#
)]
#[case(
    "[h] 10.0.0.1:9060; transport=ud p",
    r#""ud p" `ud p` is no transport"#
)]
#[case("[h] 10.0.0.1:0", r#""0" port 0 is out of range"#)]
#[case("[h] 10.0.0.1:90600", r#""90600" port 90600 is out of range"#)]
#[case(
    "[h] 10.0.0.1:99999999999999999999",
    r#""99999999999999999999" port 99999999999999999999 is out of range"#
)]
#[case(
    "[h] 10.0.0.1; version=1; transport=tcp",
    r#""tcp" version 1 cannot go over tcp: only version 3 can"#
)]
#[case(
    "[h] 10.0.0.1; transport=TLS; version=2",
    r#""TLS" version 2 cannot go over tls: only version 3 can"#
)]
#[case(
    "[h] -10.0.0.1",
    r#""-10.0.0.1" `-10.0.0.1` is neither an IPv4 address nor a host name"#
)]
fn what_we_do_not_do_in_silence(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(shown(text), Err(expected.to_owned()));
}

#[test]
fn every_fault_of_a_text_is_reported() {
    let text = "[a b] 10.0.0.1:0; Version=3;; transport=x";
    assert_eq!(parse(text).unwrap_err().len(), 5);
}

#[test]
fn the_missing_semicolon_after_the_address_is_one_fault() {
    let text = "[h] 10.0.0.1:9060 transport=tcp";
    let faults = parse(text).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].remedy().contains('`'), "{faults:?}");
}

#[test]
fn a_version_that_is_not_written_is_known_not_to_be() {
    assert!(!parse("[h] 10.0.0.1").unwrap().version_given);
    assert!(parse("[h] 10.0.0.1; version=3").unwrap().version_given);
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets: Vec<u8>) {
        fuzz(&octets);
    }

    #[test]
    fn so_are_texts_of_the_grammars_own_pieces(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "h", " ", ";", "=", ":", ",", ".", "10.0.0.1", ":9060", "[::1]", "uri", "transport",
            "version", "tcp", "udp", "TLS", "1", "2", "3", "03", "0", "a.example", "é", "\u{a0}", "\t", "/",
        ]), 0..16),
    ) {
        fuzz(pieces.concat().as_bytes());
    }

    #[test]
    fn good_ones_are_read_back(
        name in "[a-z_][a-z0-9_.-]{0,8}",
        host in prop_oneof!["[a-z]{1,8}(\\.[a-z]{1,8}){0,2}", Just("192.0.2.1".to_owned()),
            any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]"))],
        port in 1u16..,
        (transport, version) in prop::sample::select(vec![
            ("udp", 1), ("udp", 2), ("udp", 3), ("tcp", 3), ("tls", 3),
        ]),
    ) {
        let text = format!("[{name}] {host}:{port}; transport={transport}; version={version}");
        let id = parse(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?}")))?;
        prop_assert_eq!(id.to_string(), text);
    }
}

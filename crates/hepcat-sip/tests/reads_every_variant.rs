//! One table of messages as they come in the field, each with every value that must be found in it.

use hepcat_sip::{Kind, scan};
use rstest::rstest;

/// What one message must give. `NONE` fills what a case does not have.
#[derive(Debug, PartialEq, Eq)]
struct Fields<'a> {
    method: Option<&'a str>,
    status: Option<u16>,
    reason: Option<&'a str>,
    uri: Option<&'a str>,
    uri_user: Option<&'a str>,
    uri_host: Option<&'a str>,
    call_id: Option<&'a str>,
    cseq: (Option<u32>, Option<&'a str>),
    from: Address<'a>,
    to: Address<'a>,
    via: (Option<&'a str>, Option<&'a str>),
    user_agent: Option<&'a str>,
    x_call_id: Option<&'a str>,
    session_id: Option<&'a str>,
    contact_host: Option<&'a str>,
    contact_port: Option<u16>,
    content_type: Option<&'a str>,
    body: &'a str,
    defect: Option<(&'static str, usize)>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Address<'a> {
    display: Option<&'a str>,
    uri: Option<&'a str>,
    user: Option<&'a str>,
    host: Option<&'a str>,
    tag: Option<&'a str>,
}

const NOBODY: Address<'_> = Address {
    display: None,
    uri: None,
    user: None,
    host: None,
    tag: None,
};

const ALICE: Address<'_> = Address {
    display: Some("Alice"),
    uri: Some("sip:alice@atlanta.example"),
    user: Some("alice"),
    host: Some("atlanta.example"),
    tag: Some("9fxced"),
};

const BOB: Address<'_> = Address {
    display: None,
    uri: Some("sip:bob@biloxi.example"),
    user: Some("bob"),
    host: Some("biloxi.example"),
    tag: None,
};

const NONE: Fields<'_> = Fields {
    method: None,
    status: None,
    reason: None,
    uri: None,
    uri_user: None,
    uri_host: None,
    call_id: None,
    cseq: (None, None),
    from: NOBODY,
    to: NOBODY,
    via: (None, None),
    user_agent: None,
    x_call_id: None,
    session_id: None,
    contact_host: None,
    contact_port: None,
    content_type: None,
    body: "",
    defect: None,
};

/// What most cases are a variation of: an INVITE from Alice to Bob.
const INVITE: Fields<'_> = Fields {
    method: Some("INVITE"),
    uri: Some("sip:bob@biloxi.example"),
    uri_user: Some("bob"),
    uri_host: Some("biloxi.example"),
    call_id: Some("a84b4c76e66710@pc33"),
    cseq: (Some(314_159), Some("INVITE")),
    from: ALICE,
    to: BOB,
    via: (Some("UDP"), Some("z9hG4bK776asdhds")),
    ..NONE
};

/// The header fields of [`INVITE`] that its variations share.
const VIA: &str = "Via: SIP/2.0/UDP pc33.atlanta.example;branch=z9hG4bK776asdhds\r\n";
const FROM: &str = "From: \"Alice\" <sip:alice@atlanta.example>;tag=9fxced\r\n";
const TO: &str = "To: <sip:bob@biloxi.example>\r\n";
const CALL_ID: &str = "Call-ID: a84b4c76e66710@pc33\r\n";
const CSEQ: &str = "CSeq: 314159 INVITE\r\n";
const LINE: &str = "INVITE sip:bob@biloxi.example SIP/2.0\r\n";

/// Octets of these parts, where a char stands for its Latin-1 octet.
fn latin1(parts: &[&str]) -> Vec<u8> {
    parts
        .concat()
        .chars()
        .map(|letter| u8::try_from(letter).expect("only Latin-1 is written here"))
        .collect()
}

/// The reverse, so that expected values can be written as text.
fn text(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

#[rstest]
#[case::clean(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ,
      "User-Agent: Phone/1.0 (a; b)\r\nSession-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\r\n\
       X-CID: leg-a@pbx\r\nContact: <sip:alice@192.0.2.33:5062;ob>;expires=60\r\nContent-Type: application/sdp\r\n\
       Content-Length: 5\r\n\r\nv=0\r\n"],
    Fields {
        user_agent: Some("Phone/1.0 (a; b)"),
        session_id: Some("ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000"),
        x_call_id: Some("leg-a@pbx"),
        contact_host: Some("192.0.2.33"),
        contact_port: Some(5062),
        content_type: Some("application/sdp"),
        body: "v=0\r\n",
        ..INVITE
    }
)]
#[case::response(
    &["SIP/2.0 486 Busy Here\r\n", VIA, FROM, "To: <sip:bob@biloxi.example>;tag=a6c85cf\r\n", CALL_ID, CSEQ,
      "Server: Proxy\r\nContent-Length: 0\r\n\r\n"],
    Fields {
        method: None,
        uri: None,
        uri_user: None,
        uri_host: None,
        status: Some(486),
        reason: Some("Busy Here"),
        to: Address { tag: Some("a6c85cf"), ..BOB },
        user_agent: Some("Proxy"),
        ..INVITE
    }
)]
#[case::status_line_without_reason(
    &["SIP/2.0 200\r\n", VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { method: None, uri: None, uri_user: None, uri_host: None, status: Some(200), ..INVITE }
)]
#[case::status_line_with_bad_code(
    &["SIP/2.0 4294967301 better not\r\n", VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields {
        method: None,
        uri: None,
        uri_user: None,
        uri_host: None,
        reason: Some("4294967301 better not"),
        defect: Some(("bad_status_code", 0)),
        ..INVITE
    }
)]
#[case::cut_inside_a_header_value(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "User-Agent: Pho"],
    Fields { user_agent: Some("Pho"), defect: Some(("headers_cut", 252)), ..INVITE }
)]
#[case::cut_inside_a_header_name(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "User-Ag"],
    Fields { defect: Some(("headers_cut", 244)), ..INVITE }
)]
#[case::cut_in_the_start_line(
    &["INVITE sip:bob@biloxi.exa"],
    Fields {
        method: Some("INVITE"),
        uri: Some("sip:bob@biloxi.exa"),
        uri_user: Some("bob"),
        uri_host: Some("biloxi.exa"),
        defect: Some(("missing_version", 0)),
        ..NONE
    }
)]
#[case::without_the_blank_line(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ],
    Fields { defect: Some(("headers_cut", 237)), ..INVITE }
)]
#[case::cut_between_cr_and_lf_of_the_blank_line(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "\r"],
    Fields { defect: Some(("headers_cut", 238)), ..INVITE }
)]
#[case::lf_only(
    &["INVITE sip:bob@biloxi.example SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK776asdhds\n\
       From: \"Alice\" <sip:alice@atlanta.example>;tag=9fxced\nTo: <sip:bob@biloxi.example>\n\
       Call-ID: a84b4c76e66710@pc33\nCSeq: 314159 INVITE\n\nv=0\n"],
    Fields { body: "v=0\n", defect: Some(("bare_lf", 37)), ..INVITE }
)]
#[case::bare_lf_in_the_middle(
    &[LINE, VIA, FROM, "To: <sip:bob@biloxi.example>\n", CALL_ID, CSEQ, "\r\n"],
    Fields { defect: Some(("bare_lf", 184)), ..INVITE }
)]
#[case::bare_lf_blank_line(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "\nbody"],
    Fields { body: "body", defect: Some(("bare_lf", 237)), ..INVITE }
)]
#[case::leading_crlfs(
    &["\r\n\r\n", LINE, VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    INVITE
)]
#[case::leading_nuls_and_spaces(
    &["\0\0 ", LINE, VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { defect: Some(("leading_octets", 0)), ..INVITE }
)]
#[case::compact_names(
    &[LINE, "v: SIP/2.0/UDP h;branch=z9hG4bK776asdhds\r\nf: \"Alice\" <sip:alice@atlanta.example>;tag=9fxced\r\n\
       t: <sip:bob@biloxi.example>\r\ni: a84b4c76e66710@pc33\r\nCSeq: 314159 INVITE\r\n\
       m: <sip:alice@192.0.2.4>\r\nc: text/plain\r\nl: 2\r\n\r\nhi"],
    Fields { contact_host: Some("192.0.2.4"), content_type: Some("text/plain"), body: "hi", ..INVITE }
)]
#[case::space_before_the_colon(
    &[LINE, "Via : SIP/2.0/UDP h;branch=z9hG4bK776asdhds\r\nFrom\t: \"Alice\" <sip:alice@atlanta.example>;tag=9fxced\r\n\
       To  : <sip:bob@biloxi.example>\r\nCall-ID \t : a84b4c76e66710@pc33\r\nCSeq :314159 INVITE\r\n\r\n"],
    INVITE
)]
#[case::no_space_after_the_colon(
    &[LINE, "Via:SIP/2.0/UDP h;branch=z9hG4bK776asdhds\r\nFrom:\"Alice\"<sip:alice@atlanta.example>;tag=9fxced\r\n\
       To:sip:bob@biloxi.example\r\nCall-ID:a84b4c76e66710@pc33\r\nCSeq:314159 INVITE\r\n\r\n"],
    INVITE
)]
#[case::latin1_octets(
    &[LINE, VIA, "From: \"Andr\u{e9}\" <sip:alice@atlanta.example>;tag=9fxced\r\n", TO, CALL_ID, CSEQ,
      "User-Agent: T\u{e9}l\u{e9}phone\r\n\r\n"],
    Fields {
        from: Address { display: Some("Andr\u{e9}"), ..ALICE },
        user_agent: Some("T\u{e9}l\u{e9}phone"),
        ..INVITE
    }
)]
#[case::nuls_inside(
    &[LINE, VIA, "From: \"Al\0ce\" <sip:alice@atlanta.example>;tag=9fxced\r\n", TO, CALL_ID, CSEQ,
      "User-Agent: a\0b\r\n\r\n"],
    Fields {
        from: Address { display: Some("Al\0ce"), ..ALICE },
        user_agent: Some("a\0b"),
        ..INVITE
    }
)]
#[case::line_without_a_colon(
    &[LINE, VIA, "this is no header\r\n", FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { defect: Some(("no_header_name", 102)), ..INVITE }
)]
#[case::line_without_a_name(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, ": value\r\nUser-Agent: x\r\n\r\n"],
    Fields { user_agent: Some("x"), defect: Some(("no_header_name", 237)), ..INVITE }
)]
#[case::unknown_method(
    &["FROB%NICATE+1 sip:bob@biloxi.example SIP/2.0\r\n", VIA, FROM, TO, CALL_ID,
      "CSeq: 314159 FROB%NICATE+1\r\n\r\n"],
    Fields { method: Some("FROB%NICATE+1"), cseq: (Some(314_159), Some("FROB%NICATE+1")), ..INVITE }
)]
#[case::tel_request_uri(
    &["INVITE tel:+1-201-555-0123;phone-context=example.com SIP/2.0\r\n", VIA, FROM,
      "To: <tel:+12015550123;ext=7>;tag=x\r\n", CALL_ID, CSEQ, "\r\n"],
    Fields {
        uri: Some("tel:+1-201-555-0123;phone-context=example.com"),
        uri_user: Some("+1-201-555-0123"),
        uri_host: None,
        to: Address {
            uri: Some("tel:+12015550123;ext=7"),
            user: Some("+12015550123"),
            tag: Some("x"),
            ..NOBODY
        },
        ..INVITE
    }
)]
#[case::urn_request_uri(
    &["INVITE urn:service:sos SIP/2.0\r\n", VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { uri: Some("urn:service:sos"), uri_user: None, uri_host: None, ..INVITE }
)]
#[case::request_uri_in_brackets_with_parameters_and_password(
    &["INVITE <sips:bob;x=1:secret@biloxi.example:5061;transport=tcp?Subject=a@b> SIP/2.0\r\n",
      VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields {
        uri: Some("sips:bob;x=1:secret@biloxi.example:5061;transport=tcp?Subject=a@b"),
        uri_user: Some("bob;x=1"),
        ..INVITE
    }
)]
#[case::spaces_and_tabs_in_the_start_line(
    &["INVITE \t sip:bob@biloxi.example   SIP/2.0  \r\n", VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    INVITE
)]
#[case::space_inside_the_request_uri(
    &["INVITE sip:bob@biloxi.example; lr SIP/2.0\r\n", VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { uri: Some("sip:bob@biloxi.example; lr"), ..INVITE }
)]
#[case::folded_headers(
    &[LINE, "Via: SIP/2.0/UDP\r\n pc33.atlanta.example\r\n ;branch=z9hG4bK776asdhds\r\n",
      "From:\r\n\t\"Alice\"\r\n  <sip:alice@atlanta.example>\r\n ;tag=9fxced\r\n", TO,
      "Call-ID:\r\n a84b4c76e66710@pc33\r\n", "CSeq: 314159\r\n  INVITE\r\n\r\n"],
    INVITE
)]
#[case::mixed_case(
    &["INVITE SIP:bob@biloxi.example sip/2.0\r\nVIA: sip/2.0/Udp h;Branch=z9hG4bK776asdhds\r\n",
      "FROM: \"Alice\" <sip:alice@atlanta.example>;TAG=9fxced\r\ntO: <sip:bob@biloxi.example>\r\n",
      "cALL-iD: a84b4c76e66710@pc33\r\ncSEQ: 314159 INVITE\r\nUSER-agent: x\r\nx-call-id: y\r\n\r\n"],
    Fields {
        uri: Some("SIP:bob@biloxi.example"),
        via: (Some("Udp"), Some("z9hG4bK776asdhds")),
        user_agent: Some("x"),
        x_call_id: Some("y"),
        ..INVITE
    }
)]
#[case::display_name_with_brackets_and_semicolons(
    &[LINE, VIA, "From: \"A <sip:evil@x>;tag=no, \" <sip:alice@atlanta.example>;tag=9fxced\r\n", TO, CALL_ID,
      CSEQ, "\r\n"],
    Fields {
        from: Address { display: Some("A <sip:evil@x>;tag=no, "), ..ALICE },
        ..INVITE
    }
)]
#[case::escaped_quotes_in_the_display_name(
    &[LINE, VIA, "From: \"Al \\\"<ice>\\\\\" <sip:alice@atlanta.example>;x=\"a;tag=no\\\"\";tag=9fxced\r\n",
      TO, CALL_ID, CSEQ, "\r\n"],
    Fields {
        from: Address { display: Some("Al \\\"<ice>\\\\"), ..ALICE },
        ..INVITE
    }
)]
#[case::display_name_never_closed(
    &[LINE, VIA, "From: \"Alice <sip:alice@atlanta.example>;tag=9fxced\r\n", TO, CALL_ID, CSEQ, "\r\n"],
    Fields {
        from: Address { display: Some("\"Alice"), ..ALICE },
        ..INVITE
    }
)]
#[case::bracket_never_closed(
    &[LINE, VIA, "From: Alice <sip:alice@atlanta.example;tag=9fxced\r\n", TO, CALL_ID, CSEQ, "\r\n"],
    INVITE
)]
#[case::unquoted_display_name_and_tag_inside_the_uri(
    &[LINE, VIA, "From: Alice of Atlanta <sip:alice@atlanta.example;tag=no>;tag = 9fxced\r\n", TO, CALL_ID,
      CSEQ, "\r\n"],
    Fields {
        from: Address {
            display: Some("Alice of Atlanta"),
            uri: Some("sip:alice@atlanta.example;tag=no"),
            ..ALICE
        },
        ..INVITE
    }
)]
#[case::addresses_without_brackets(
    &[LINE, VIA, "From: sip:alice@atlanta.example;tag=9fxced\r\nTo: sip:bob@biloxi.example ; tag=z\r\n",
      CALL_ID, CSEQ, "Contact: *\r\n\r\n"],
    Fields {
        from: Address { display: None, ..ALICE },
        to: Address { tag: Some("z"), ..BOB },
        contact_host: Some("*"),
        ..INVITE
    }
)]
#[case::anonymous_and_domain_only(
    &[LINE, VIA, "From: Anonymous <sip:anonymous.invalid>;tag=9fxced\r\n", TO, CALL_ID, CSEQ, "\r\n"],
    Fields {
        from: Address {
            display: Some("Anonymous"),
            uri: Some("sip:anonymous.invalid"),
            user: None,
            host: Some("anonymous.invalid"),
            ..ALICE
        },
        ..INVITE
    }
)]
#[case::two_at_signs_and_no_scheme(
    &[LINE, VIA, "From: <sip:alice@home.example@atlanta.example>;tag=9fxced\r\nTo: <bob@biloxi.example:5060>\r\n",
      CALL_ID, CSEQ, "\r\n"],
    Fields {
        from: Address {
            display: None,
            uri: Some("sip:alice@home.example@atlanta.example"),
            user: Some("alice@home.example"),
            ..ALICE
        },
        to: Address { uri: Some("bob@biloxi.example:5060"), ..BOB },
        ..INVITE
    }
)]
#[case::several_vias_in_one_line(
    &[LINE, "Via: SIP/2.0/TLS a.example;received=\"1,2\";branch=z9hG4bKone,SIP/2.0/UDP b.example;branch=z9hG4bKtwo\r\n",
      VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { via: (Some("TLS"), Some("z9hG4bKone")), ..INVITE }
)]
#[case::via_with_spaces_around_the_slashes(
    &[LINE, "Via: SIP / 2.0 / UDP first.example: 4000;ttl=16 ;branch = z9hG4bK776asdhds\r\n", FROM, TO, CALL_ID,
      CSEQ, "\r\n"],
    INVITE
)]
#[case::via_without_branch(
    &[LINE, "Via: SIP/2.0/WSS a.example;rport\r\n", FROM, TO, CALL_ID, CSEQ, "\r\n"],
    Fields { via: (Some("WSS"), None), ..INVITE }
)]
#[case::several_contacts_in_one_line(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ,
      "Contact: \"a,b\" <sip:a,b@one.example:5070>;q=1, <sip:two.example>\r\n\r\n"],
    Fields { contact_host: Some("one.example"), contact_port: Some(5070), ..INVITE }
)]
#[case::nuls_after_the_body(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: 5\r\n\r\nv=0\r\n\0\0\0\0"],
    Fields { body: "v=0\r\n", defect: Some(("octets_after_body", 263)), ..INVITE }
)]
#[case::body_without_content_length(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "\r\nv=0\r\n\r\nmore: of it\r\n"],
    Fields { body: "v=0\r\n\r\nmore: of it\r\n", ..INVITE }
)]
#[case::body_cut(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: 500\r\n\r\nv=0\r\n"],
    Fields { body: "v=0\r\n", defect: Some(("body_cut", 265)), ..INVITE }
)]
#[case::content_length_that_is_no_number(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "Content-Length: -1\r\n\r\nv=0"],
    Fields { body: "v=0", defect: Some(("bad_content_length", 259)), ..INVITE }
)]
#[case::ipv6_hosts(
    &["INVITE sip:bob@[2001:db8::9:1] SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::9:1]:5060;branch=z9hG4bK776asdhds\r\n",
      "From: \"Alice\" <sip:alice@[2001:db8::a]:5070;transport=udp>;tag=9fxced\r\n", TO, CALL_ID, CSEQ,
      "Contact: <sip:[::1]:5080>\r\n\r\n"],
    Fields {
        uri: Some("sip:bob@[2001:db8::9:1]"),
        uri_host: Some("[2001:db8::9:1]"),
        from: Address {
            uri: Some("sip:alice@[2001:db8::a]:5070;transport=udp"),
            host: Some("[2001:db8::a]"),
            ..ALICE
        },
        contact_host: Some("[::1]"),
        contact_port: Some(5080),
        ..INVITE
    }
)]
#[case::tabs(
    &[LINE, VIA, "From:\t\"Alice\"\t<sip:alice@atlanta.example>\t;\ttag\t=\t9fxced\t\r\nTo:\t<sip:bob@biloxi.example>\r\n",
      "Call-ID:\ta84b4c76e66710@pc33\t\r\nCSeq:\t314159\tINVITE\r\n\r\n"],
    INVITE
)]
#[case::duplicate_headers(
    &[LINE, VIA, FROM, TO, CALL_ID, CSEQ, "Call-ID: second\r\nFrom: <sip:mallory@x>;tag=2\r\nUser-Agent: one\r\n\
      User-Agent: two\r\n\r\n"],
    Fields { user_agent: Some("one"), defect: Some(("duplicate_header", 237)), ..INVITE }
)]
#[case::empty_header_before_a_full_one(
    &[LINE, VIA, FROM, TO, "Call-ID:\r\n", CALL_ID, CSEQ, "User-Agent: \r\n\r\n"],
    INVITE
)]
#[case::missing_headers(
    &["OPTIONS sip:biloxi.example SIP/2.0\r\nMax-Forwards: 70\r\n\r\n"],
    Fields {
        method: Some("OPTIONS"),
        uri: Some("sip:biloxi.example"),
        uri_host: Some("biloxi.example"),
        defect: Some(("missing_header", 56)),
        ..NONE
    }
)]
#[case::cseq_that_does_not_fit(
    &[LINE, VIA, FROM, TO, CALL_ID, "CSeq: 36893488147419103232 INVITE\r\n\r\n"],
    Fields { cseq: (None, Some("INVITE")), ..INVITE }
)]
#[case::cseq_without_space_or_method(
    &[LINE, VIA, FROM, TO, CALL_ID, "CSeq: 0009\r\n\r\n"],
    Fields { cseq: (Some(9), None), ..INVITE }
)]
#[case::names_that_only_resemble_known_ones(
    &[LINE, "Fromage: brie\r\nX-CIDX: 1\r\nCall-IDs: 2\r\nTo-Do: 3\r\nz: 4\r\nViaX: 5\r\nContent-Length-X: 9\r\n",
      VIA, FROM, TO, CALL_ID, CSEQ, "\r\n"],
    INVITE
)]
fn every_variant_is_read(#[case] message: &[&str], #[case] expected: Fields<'_>) {
    let payload = latin1(message);
    let sip = scan(&payload).unwrap();
    let all = |octets: Option<&[u8]>| octets.map(text);
    let address = |found: Option<hepcat_sip::NameAddr<'_>>| {
        found.map_or([None, None, None, None, None], |address| {
            [
                all(address.display()),
                all(Some(address.uri().as_bytes())),
                all(address.user()),
                all(address.host()),
                all(address.tag()),
            ]
        })
    };
    let found = [
        all(sip.method()),
        sip.status_code().map(|code| code.to_string()),
        all(sip.reason_phrase()),
        all(sip.request_uri().map(|uri| uri.as_bytes())),
        all(sip.request_uri().and_then(|uri| uri.user())),
        all(sip.request_uri().and_then(|uri| uri.host())),
        all(sip.call_id()),
        sip.cseq_number().map(|number| number.to_string()),
        all(sip.cseq_method()),
        all(sip.via_transport()),
        all(sip.via_branch()),
        all(sip.user_agent()),
        all(sip.x_call_id()),
        all(sip.session_id()),
        all(sip.contact().and_then(|contact| contact.host())),
        sip.contact()
            .and_then(|contact| contact.uri().port())
            .map(|port| port.to_string()),
        all(sip.content_type()),
        all(Some(sip.body())),
    ];
    let own = |value: Option<&str>| value.map(str::to_owned);
    let wanted = [
        own(expected.method),
        expected.status.map(|code| code.to_string()),
        own(expected.reason),
        own(expected.uri),
        own(expected.uri_user),
        own(expected.uri_host),
        own(expected.call_id),
        expected.cseq.0.map(|number| number.to_string()),
        own(expected.cseq.1),
        own(expected.via.0),
        own(expected.via.1),
        own(expected.user_agent),
        own(expected.x_call_id),
        own(expected.session_id),
        own(expected.contact_host),
        expected.contact_port.map(|port| port.to_string()),
        own(expected.content_type),
        own(Some(expected.body)),
    ];
    assert_eq!(found, wanted);
    let parts = |address: Address<'_>| {
        [
            address.display,
            address.uri,
            address.user,
            address.host,
            address.tag,
        ]
        .map(own)
    };
    assert_eq!(address(sip.from()), parts(expected.from), "From");
    assert_eq!(address(sip.to()), parts(expected.to), "To");
    assert_eq!(
        sip.first_defect()
            .map(|defect| (defect.reason(), defect.offset())),
        expected.defect
    );
    let is_request = expected.method.is_some();
    assert_eq!(sip.kind() == Kind::Request, is_request);
}

#[rstest]
#[case::empty(b"")]
#[case::keep_alive_crlf(b"\r\n\r\n")]
#[case::keep_alive_nuls(b"\0\0\0\0")]
#[case::one_word(b"INVITE")]
#[case::http_request(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")]
#[case::http_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]
#[case::rtsp(b"OPTIONS rtsp://example.com/media RTSP/1.0\r\nCSeq: 1\r\n\r\n")]
#[case::msrp(b"MSRP a786hjs2 SEND\r\nTo-Path: msrp://biloxi.example\r\n\r\n")]
#[case::mgcp(b"CRCX 1204 aaln/1@rgw-2567.example.net MGCP 1.0\r\nC: A3C47F21456789F0\r\n\r\n")]
#[case::sdp(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n")]
#[case::json(b"{\"type\": \"sip\", \"line\": \"INVITE sip:a@b SIP/2.0\"}")]
#[case::log_line(b"INFO: got INVITE sip:bob@biloxi.example SIP/2.0 from 10.0.0.1\r\n")]
#[case::rtp(b"\x80\x00\x12\x34\x00\x00\x00\xa0\xde\xad\xbe\xef\xff\xff\xff\xff")]
#[case::stun(b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl")]
#[case::dns(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01")]
#[case::tls_client_hello(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")]
#[case::words(b"hello there world\r\n")]
#[case::version_without_uri(b"INVITE SIP/2.0\r\n\r\n")]
fn what_is_not_sip_is_refused(#[case] payload: &[u8]) {
    assert_eq!(scan(payload), None);
}

#[test]
fn a_huge_header_costs_none_of_the_others() {
    let huge = "x".repeat(60_000);
    let message = [
        LINE,
        VIA,
        FROM,
        &format!("Subject: {huge}\r\n"),
        TO,
        CALL_ID,
        CSEQ,
        "\r\nbody",
    ]
    .concat();
    let sip = scan(message.as_bytes()).unwrap();
    assert_eq!(sip.call_id(), Some(&b"a84b4c76e66710@pc33"[..]));
    assert_eq!(sip.header(b"s").unwrap().value(), huge.as_bytes());
    assert_eq!(sip.body(), b"body");
    assert_eq!(sip.first_defect(), None);
}

#[test]
fn what_stands_beyond_65535_octets_is_a_defect_not_a_wrong_offset() {
    let before = [LINE, VIA, FROM, TO, CALL_ID].concat();
    let huge = format!("Subject: {}\r\n", "x".repeat(70_000));
    let message = [before.as_str(), &huge, CSEQ, "\r\nbody"].concat();
    let sip = scan(message.as_bytes()).unwrap();
    assert_eq!(sip.call_id(), Some(&b"a84b4c76e66710@pc33"[..]));
    assert_eq!(sip.cseq_number(), None);
    assert_eq!(
        sip.header(b"Subject").unwrap().value().len(),
        65_535 - before.len() - 9
    );
    assert_eq!(sip.first_defect().unwrap().reason(), "headers_too_long");
}

#[test]
fn a_body_may_reach_beyond_65535_octets() {
    let body = "b".repeat(100_000);
    let message = [
        LINE,
        VIA,
        FROM,
        TO,
        CALL_ID,
        CSEQ,
        "Content-Length: 100000\r\n\r\n",
        &body,
    ]
    .concat();
    let sip = scan(message.as_bytes()).unwrap();
    assert_eq!(sip.body(), body.as_bytes());
    assert_eq!(sip.first_defect(), None);
}

#[test]
fn every_via_has_its_branch_in_the_order_of_the_hops() {
    let payload = b"SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/UDP a;branch=one, SIP/2.0/TCP \"x,y\";branch=two\r\n\
        Call-ID: x\r\n\
        v: SIP/2.0/UDP c\r\n\
        via: SIP/2.0/UDP d;rport;branch=three\r\n\r\n";
    let sip = scan(payload).expect("a status line");
    let branches: Vec<_> = sip.via_branches().collect();
    assert_eq!(branches, [&b"one"[..], b"two", b"three"]);
    assert_eq!(sip.via_branch(), branches.first().copied());
}

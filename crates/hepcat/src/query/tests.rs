//! The parser, the written form, faults and limits. The fields over real frames are in `tests/query_fields.rs`.

use std::{net::IpAddr, time::Duration};

use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// When tests ask: 14:05:06 on a Monday in Paris.
fn now() -> Zoned {
    "2026-11-23T14:05:06.789+01:00[Europe/Paris]"
        .parse()
        .unwrap()
}

/// Microseconds since 1970.
fn moment(text: &str) -> Value<'static> {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Value::Time(moment.as_microsecond())
}

/// A subject made of a table.
struct Row(Vec<(&'static str, Value<'static>)>);

impl Subject for Row {
    fn any(&self, field: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        let name = field.to_string();
        self.0
            .iter()
            .filter(|(known, _)| *known == name)
            .any(|(_, value)| fits(*value))
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A refused call as a store would show it.
fn call() -> Row {
    Row(vec![
        ("agent", Value::Address(address("10.1.2.3"))),
        ("type", Value::Number(1)),
        ("method", Value::Text(b"INVITE")),
        ("status", Value::Number(486)),
        ("call_id", Value::Text(b"AbC-1@10.0.0.1")),
        ("from", Value::Text(b"33123456789")),
        ("from", Value::Text(b"33123456789@a.example")),
        ("to", Value::Text(b"alice")),
        ("ua", Value::Text(b"Yealink SIP-T46S 66.84")),
        ("header.X-Foo", Value::Text(b"bar; baz")),
        ("src", Value::Endpoint(Some(address("192.0.2.1")), Some(5060))),
        ("dst", Value::Endpoint(Some(address("2001:db8::9")), None)),
        ("payload", Value::Text("SIP/2.0 486 Busy Here\r\nFrom: \"J\u{fc}rgen\" <sip:33123456789@a.example>\r\nSubject: 100% (free) caf\u{e9}\r\n".as_bytes())),
        ("setup", Value::Duration(Duration::from_millis(3500))),
        ("time", moment("2026-11-23T09:30:15.25Z")),
        ("state", Value::Text(b"failed")),
        ("flag", Value::Text(b"no_ack")),
        ("flag", Value::Text(b"retransmission")),
        ("legs", Value::Number(2)),
        ("f1", Value::Text(b"J\xfcrgen")),
    ])
}

fn asks(text: &str) -> bool {
    match Query::parse_at(Scope::Call, text, &now()) {
        Ok(query) => query.matches(&call()),
        Err(error) => panic!("{}", error.render(text)),
    }
}

#[rstest]
#[case::nothing("")]
#[case::only_space(" \n\t")]
#[case::text_in_any_case("busy")]
#[case::text_with_space(r#""busy here""#)]
#[case::text_beyond_ascii_in_any_case("J\u{dc}RGEN")]
#[case::text_with_wildcards("486*here")]
#[case::text_with_one_wildcard("48? busy")]
#[case::text_with_line_end(r#""here\r\nFrom""#)]
#[case::text_with_escapes(r"\(free\)")]
#[case::text_of_a_uri("sip:33123456789@a.example")]
#[case::text_of_digits_and_colon("486")]
#[case::two_words("busy from")]
#[case::explicit_and("busy AND from")]
#[case::either("absent OR busy")]
#[case::and_binds_closer("busy OR absent absent")]
#[case::parentheses("(absent OR busy) (from OR absent)")]
#[case::not("NOT absent")]
#[case::minus("-absent")]
#[case::exclamation_mark("!absent")]
#[case::minus_group("-(absent OR gone)")]
#[case::double_negation("NOT NOT busy")]
#[case::field("method:INVITE")]
#[case::field_in_any_case("method:invite")]
#[case::field_name_in_any_case("Method:INVITE")]
#[case::equals("method=INVITE")]
#[case::space_around_operators("status >= 400 method = invite ua ~ \"T46\"")]
#[case::unequal("method!=OPTIONS")]
#[case::list("method:(REGISTER, INVITE)")]
#[case::list_of_one("method:(INVITE)")]
#[case::not_in_list("method!=(REGISTER,OPTIONS)")]
#[case::prefix("from:33*")]
#[case::suffix("from:*789")]
#[case::inside("from:*4567*")]
#[case::one_wildcard("from:3312345678?")]
#[case::user_at_host("from:33*@a.example")]
#[case::quoted_part_and_wildcard(r#"ua:"yealink sip-"*"#)]
#[case::present("ua:*")]
#[case::absent("-node:*")]
#[case::call_id_exact("call_id:AbC-1@10.0.0.1")]
#[case::call_id_prefix("call_id:AbC*")]
#[case::regex(r#"from~"^33[0-9]{9}$""#)]
#[case::regex_without_quotes("from~^33")]
#[case::regex_over_payload_sees_lines(r#"payload~"^From: .*@a\.example>$""#)]
#[case::regex_negated(r#"ua!~"cisco""#)]
#[case::regex_in_any_case(r#"ua~"(?i)yealink""#)]
#[case::regex_with_quote(r#"payload~"From: \"J""#)]
#[case::number("status:486")]
#[case::class("status:4xx")]
#[case::small_class("status:48x")]
#[case::range("status:400..499")]
#[case::open_range("status:400..")]
#[case::open_range_below("status:..499")]
#[case::numbers_in_a_list("status:(200, 4xx, 600..)")]
#[case::hexadecimal("type:0x01")]
#[case::greater("status>485")]
#[case::greater_or_equal("status>=486")]
#[case::less("status<487")]
#[case::less_or_equal("status<=486")]
#[case::duration("setup>3s")]
#[case::duration_with_fraction("setup:3.5s")]
#[case::duration_range("setup:3s..1m")]
#[case::duration_in_hours("setup<0.001h")]
#[case::address("agent:10.1.2.3")]
#[case::network("agent:10.1.0.0/16")]
#[case::network_with_host_bits("agent:10.1.99.99/16")]
#[case::mapped_address("agent:::ffff:10.1.2.3")]
#[case::address_range("agent:10.1.0.0..10.1.2.255")]
#[case::addresses("agent:(10.9.0.0/16, 10.1.2.3)")]
#[case::not_an_address("agent!=10.9.0.0/16")]
#[case::endpoint_address("src:192.0.2.1")]
#[case::endpoint_port("src:5060")]
#[case::endpoint_port_with_colon("src::5060")]
#[case::endpoint_ports("src:5000..5099")]
#[case::endpoint_network("src:192.0.2.0/24")]
#[case::endpoint_both("src:192.0.2.1:5060")]
#[case::endpoint_network_and_ports("src:192.0.2.0/24:5060..5061")]
#[case::endpoint_brackets("src:[192.0.2.1]:5060")]
#[case::endpoint_v6("dst:2001:db8::9")]
#[case::endpoint_v6_brackets("dst:[2001:db8::9]")]
#[case::endpoint_v6_network("dst:2001:db8::/32")]
#[case::type_by_name("type:sip")]
#[case::type_by_name_in_any_case("type:SIP")]
#[case::header("header.X-Foo:bar*")]
#[case::header_quoted(r#"header.X-Foo:"BAR; baz""#)]
#[case::day("time:2026-11-23")]
#[case::day_in_another_zone("time:2026-11-22[Pacific/Honolulu]")]
#[case::days("time:2026-11-20..2026-11-23")]
#[case::until_the_end_of_a_day("time<=2026-11-23")]
#[case::minute("time:2026-11-23T10:30")]
#[case::minute_of_today("time:10:30")]
#[case::second("time:2026-11-23T09:30:15Z")]
#[case::part_of_a_second("time:2026-11-23T09:30:15.25Z")]
#[case::times_with_zones("time:2026-11-23T10:00+01:00..2026-11-23T11:00+01:00")]
#[case::times_of_today("time:10:00..11:00")]
#[case::time_with_space(r#"time:"2026-11-23 10:30""#)]
#[case::since("time>2026-11-22")]
#[case::since_a_moment("time>=2026-11-23T09:30:15.25Z")]
#[case::open_times("time:today..")]
#[case::times_in_a_list("time:(2026-11-01, 10:00..11:00)")]
#[case::word_for_a_day("time:today -time:yesterday time<now")]
#[case::last("last:4h")]
#[case::last_in_words(r#"time:"last 4h""#)]
#[case::last_without_a_colon("last 4h")]
#[case::last_among_others("busy (last 4h) OR absent")]
#[case::last_in_any_case("Last  4h")]
#[case::not_last("NOT last 3h -last 3h")]
#[case::choice("state:failed state:(ended, FAILED) released_by!=caller")]
#[case::flags("flag:no_ack flag:retransmission -flag:one_way flag:*")]
#[case::number_of_legs("legs>1 legs:2..")]
#[case::what_is_no_utf8_is_one_character_of_three_octets(
    "f1:J???rgen f1~\"^J\u{fffd}rgen$\" f1:J*rgen"
)]
fn fits(#[case] text: &str) {
    assert!(asks(text), "{text}");
}

#[rstest]
#[case::text("absent")]
#[case::text_and_absent("busy absent")]
#[case::wildcard_is_quoted(r#""48? busy""#)]
#[case::whole_value("from:3312345")]
#[case::prefix("from:34*")]
#[case::quoted_star(r#"from:"33*""#)]
#[case::call_id_case_counts("call_id:abc-1@10.0.0.1")]
#[case::call_id_prefix_case_counts("call_id:abc*")]
#[case::regex_case_counts(r#"ua~"yealink""#)]
#[case::anchors_of_a_value(r#"ua~"^SIP""#)]
#[case::number("status:487")]
#[case::class("status:5xx")]
#[case::greater("status>486")]
#[case::less("status<486")]
#[case::network("agent:10.2.0.0/16")]
#[case::other_family("agent:::/0")]
#[case::port("src:5061")]
#[case::unknown_port("dst:5060")]
#[case::duration("setup>3500ms")]
#[case::type_by_name("type:rtcp")]
#[case::unparsable("type:unparsable")]
#[case::absent_is_not_smaller("capture_id<5")]
#[case::absent_is_not_unequal_but_not_equal("NOT node!=a")]
#[case::not_any_of_several("from!=33123456789")]
#[case::every_negation("NOT busy")]
#[case::day_before("time:2026-11-22")]
#[case::after_a_day("time>2026-11-23")]
#[case::before_a_day("time<2026-11-23")]
#[case::a_time_is_a_moment_where_it_ends_a_range("time:10:00..10:30")]
#[case::last("last:3h")]
#[case::last_without_a_colon("last 3h")]
#[case::last_is_text_in_quotes(r#""last" 4h"#)]
#[case::last_is_text_before_what_is_no_duration("last here")]
#[case::state("state:ended")]
#[case::unknown_received("received:* OR received>1970-01-01")]
#[case::one_octet_that_is_no_utf8("f1:J?rgen")]
fn does_not_fit(#[case] text: &str) {
    assert!(!asks(text), "{text}");
}

#[rstest]
#[case("a  b", r#""a" "b""#)]
#[case("a AND b OR c", r#"("a" "b") OR "c""#)]
#[case("a OR (b OR c)", r#""a" OR "b" OR "c""#)]
#[case("-(a b)", r#"NOT ("a" "b")"#)]
#[case("*foo*", r#""foo""#)]
#[case("foo*bar?", r#""foo"*"bar"?"#)]
#[case("*", "payload:*")]
#[case("payload:x", r#""x""#)]
#[case("payload:(x, y)", "payload:(x, y)")]
#[case(r#"say\ "\n\\""#, r#""say \n\\""#)]
#[case("METHOD=invite", "method:invite")]
#[case("method!=(INVITE,BYE)", "NOT method:(INVITE, BYE)")]
#[case("method:(INVITE)", "method:INVITE")]
#[case("status > 400", "status>400")]
#[case("status:400..", "status>=400")]
#[case("status:5xx", "status:500..599")]
#[case("status:(5xx, ..99)", "status:(500..599, ..99)")]
#[case("setup>1500ms", "setup>1500ms")]
#[case("setup:60s..7200s", "setup:1m..2h")]
#[case("setup:0ms", "setup:0s")]
#[case(
    "time:2026-11-23",
    "time:2026-11-22T23:00:00Z..2026-11-23T22:59:59.999999Z"
)]
#[case("time>2026-11-23T10:00Z", "time>2026-11-23T10:00:00Z")]
#[case("last:2h", "time>=2026-11-23T11:05:06.789Z")]
#[case("last 2h", "time>=2026-11-23T11:05:06.789Z")]
#[case("last 2hours", r#""last" "2hours""#)]
#[case(r#"last "2h""#, r#""last" "2h""#)]
#[case("-last:2h", "NOT time>=2026-11-23T11:05:06.789Z")]
#[case(
    "received:(10:00..10:00, ..today)",
    "received:(2026-11-23T09:00:00Z..2026-11-23T09:00:00Z, ..2026-11-23T22:59:59.999999Z)"
)]
#[case("state:FAILED", "state:failed")]
#[case("agent:10.1.2.3/8", "agent:10.0.0.0/8")]
#[case("agent:10.1.2.3/32", "agent:10.1.2.3")]
#[case("agent:10.0.0.1..10.0.0.1", "agent:10.0.0.1")]
#[case("src:5060", "src::5060")]
#[case("src:[10.0.0.1]:5060", "src:10.0.0.1:5060")]
#[case("src:[2001:db8::/32]:5060..5061", "src:[2001:db8::/32]:5060..5061")]
#[case("src:[10.0.0.1..10.0.0.9]:5060", "src:[10.0.0.1..10.0.0.9]:5060")]
#[case("type:1", "type:sip")]
#[case("type:250", "type:250")]
#[case("type:UNPARSABLE", "type:unparsable")]
#[case(r#"ua~a.b"#, r#"ua~"a.b""#)]
#[case(r#"ua!~"a\"\d\\""#, r#"NOT ua~"a\"\d\\""#)]
#[case("header.x-foo:a,", "")]
#[case("user:a\\,b", r#"user:"a,b""#)]
#[case(r#"user:"""#, r#"user:"""#)]
fn is_written(#[case] text: &str, #[case] canonical: &str) {
    if canonical.is_empty() {
        assert!(Query::parse(text).is_err());
        return;
    }
    let query = Query::parse_at(Scope::Call, text, &now()).unwrap();
    assert_eq!(query.to_string(), canonical);
    assert_eq!(Query::parse_in(Scope::Call, canonical), Ok(query));
}

/// The place is what the carets mark.
#[rstest]
#[case(
    "metod:INVITE",
    "metod",
    "unknown field `metod`",
    "did you mean `method`?"
)]
#[case(
    "callid:x",
    "callid",
    "unknown field `callid`",
    "did you mean `call_id`?"
)]
#[case(
    "Call-ID:x",
    "Call-ID",
    "unknown field `Call-ID`",
    "did you mean `call_id`?"
)]
#[case("bouquet=z9", "bouquet", "unknown field `bouquet`", "in quotes")]
#[case("via:z9hG4bKx", "via", "unknown field `via`", "did you mean `branch`?")]
#[case(
    "f1:a",
    "f1",
    "`f1` is known of what is stored, not of messages as they arrive",
    "where stored messages are searched"
)]
#[case(
    "last:2h",
    "last",
    "nothing is counted back from now here",
    "time>=2026-11-23T10:00+01:00"
)]
#[case(
    "last 2h",
    "last",
    "nothing is counted back from now here",
    "time>=2026-11-23T10:00+01:00"
)]
#[case(
    "time:\"last 2h\"",
    "\"last 2h\"",
    "nothing is counted back from now here",
    "with its date and zone"
)]
#[case(
    "time:2026-11-23",
    "2026-11-23",
    "`2026-11-23` is not a time",
    "says its zone"
)]
#[case(
    "time:2026-11-23Z..2026-11-22Z",
    "2026-11-23Z..2026-11-22Z",
    "the range ends before it begins",
    ""
)]
#[case("received:..", "..", "`..` is not a time", "at least one end")]
#[case(
    "class:registrations",
    "registrations",
    "`registrations` is none of call, registration, options, sip, rtcp, log, other",
    "did you mean `registration`?"
)]
#[case("class~\"c\"", "~", "`~` does not apply to `class`", "look at text")]
#[case(
    "setup>3s",
    "setup",
    "`setup` is known of calls, not of single messages",
    ""
)]
#[case("method:", "", "expected a value, found the end of the query", "")]
#[case("method: INVITE", " ", "expected a value, found a space", "")]
#[case("a method:)", ")", "expected a value, found `)`", "")]
#[case("(a", "", "expected `)`, found the end of the query", "")]
#[case("a)", ")", "expected a condition, found `)`", "")]
#[case("()", ")", "expected a condition: field:value, or text, found `)`", "")]
#[case(
    "a OR",
    "",
    "expected a condition: field:value, or text, found the end of the query",
    ""
)]
#[case(
    "OR a",
    "OR",
    "expected a condition: field:value, or text, found `OR`",
    ""
)]
#[case(
    "a AND OR b",
    "OR",
    "expected a condition: field:value, or text, found `OR`",
    ""
)]
#[case(
    "a or b",
    "or",
    "`or` is neither an operator nor quoted text",
    "write OR"
)]
#[case(
    "not a",
    "not",
    "`not` is neither an operator nor quoted text",
    "\"not\""
)]
#[case(
    "a && b",
    "&&",
    "`&&` is neither an operator nor quoted text",
    "write AND"
)]
#[case(
    "a - b",
    "-",
    "`-` is neither an operator nor quoted text",
    "write NOT"
)]
#[case(
    "> 3",
    ">",
    "expected a condition: field:value, or text, found `>`",
    ""
)]
#[case(
    "method:INVITE,BYE",
    ",",
    "a comma outside a list",
    "method:(INVITE, BYE)"
)]
#[case("method:(INVITE BYE)", "B", "expected `,` or `)`, found `B`", "")]
#[case("method:()", ")", "expected a value, found `)`", "")]
#[case("user:a(b", "(", "expected a space after the value, found `(`", "")]
#[case(
    "ua>3",
    ">",
    "`>` does not apply to `ua`",
    "comparisons are for numbers, durations and times"
)]
#[case("status~\"4\"", "~", "`~` does not apply to `status`", "look at text")]
#[case("status:abc", "abc", "`abc` is not a number", "")]
#[case("status:-5", "-5", "`-5` is not a number", "")]
#[case("status>4xx", "4xx", "`4xx` is not a number", "")]
#[case("status:499..400", "499..400", "the range ends before it begins", "")]
#[case("status:..", "..", "`..` is not a number", "at least one end")]
#[case(
    "status:99999999999999999999",
    "99999999999999999999",
    "`99999999999999999999` is not a number",
    ""
)]
#[case(
    "type:sipp",
    "sipp",
    "`sipp` is not a protocol type's name or number",
    "rtcp"
)]
#[case(
    "agent:10.1.*",
    "10.1.*",
    "`10.1.*` is not an address or a network",
    "10.1.0.0/16"
)]
#[case(
    "agent:10.1.0.0/33",
    "10.1.0.0/33",
    "`10.1.0.0/33` is not an address or a network",
    ""
)]
#[case(
    "agent:10.0.0.1:5060",
    "10.0.0.1:5060",
    "`10.0.0.1:5060` is not an address or a network",
    "only src and dst"
)]
#[case(
    "agent:10.0.0.9..10.0.0.1",
    "10.0.0.9..10.0.0.1",
    "the range ends before it begins",
    ""
)]
#[case(
    "src:70000",
    "70000",
    "`70000` is not an address, a network, a port or address:port",
    ""
)]
#[case(
    "src:[::1",
    "[::1",
    "`[::1` is not an address, a network, a port or address:port",
    ""
)]
#[case("\"a", "\"", "the quotation mark is never closed", "")]
#[case("ua:\"a\\q\"", "\\q", "`\\q` is not an escape", "\\\\ for a backslash")]
#[case("payload:\"\"", "\"\"", "`\"\"` is not text to look for", "")]
#[case(
    "a\\",
    "",
    "expected a character after the backslash, found the end of the query",
    ""
)]
#[case("ua~\"(\"", "\"(\"", "not a regular expression: unclosed group", "")]
#[case(
    "ua~(a|b)",
    "(",
    "expected a regular expression in quotes, found `(`",
    ""
)]
#[case(
    "ua~\"(a{200}){200}\"",
    "\"(a{200}){200}\"",
    "the regular expression is too large",
    "shorten"
)]
fn is_refused(#[case] text: &str, #[case] place: &str, #[case] message: &str, #[case] help: &str) {
    let error = Query::parse(text).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(text.get(error.span()), Some(place));
    assert!(
        error.help().unwrap_or_default().contains(help),
        "{:?}",
        error.help()
    );
}

#[test]
fn a_fault_is_shown_with_its_place() {
    let text = "agent:10.1.0.0/16\nJ\u{fc}rgen metod:INVITE \u{1b}[31m\nOR x";
    let shown = Query::parse(text).unwrap_err().render(text);
    assert_eq!(
        shown,
        "unknown field `metod`\n  J\u{fc}rgen metod:INVITE  [31m\n         ^^^^^\n  \
         did you mean `method`? to look for the text itself, put it in quotes"
    );

    let missing = Query::parse("method:").unwrap_err().render("method:");
    assert_eq!(
        missing,
        "expected a value, found the end of the query\n  method:\n         ^"
    );

    let long = format!("{} metod:x {}", "word ".repeat(50), "word ".repeat(50));
    let shown = Query::parse(&long).unwrap_err().render(&long);
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].chars().count() < 140, "{shown}");
    let column = lines[2].find('^').unwrap();
    let marked: String = lines[1].chars().skip(column).take(5).collect();
    assert_eq!(marked, "metod");
}

#[test]
fn limits_are_errors() {
    let fault = |text: String| Query::parse(&text).map(|_| ()).unwrap_err();
    assert_eq!(
        fault("a".repeat(MAX_LENGTH + 1)).problem(),
        &Problem::TooLong
    );
    assert!(Query::parse(&"a".repeat(MAX_LENGTH)).is_ok());

    for open in ["(", "NOT ", "-", "NOT ("] {
        let deep = open.repeat(MAX_LENGTH / open.len() - 1) + "a";
        assert_eq!(fault(deep).problem(), &Problem::TooDeep, "{open}");
    }
    let nested = |n| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(Query::parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(fault(nested(MAX_DEPTH + 1)).problem(), &Problem::TooDeep);

    assert!(Query::parse(&"a ".repeat(MAX_PATTERNS)).is_ok());
    assert_eq!(
        fault("a ".repeat(MAX_PATTERNS + 1)).problem(),
        &Problem::TooManyPatterns
    );
    let list = format!("status:({})", vec!["1"; MAX_PATTERNS + 1].join(","));
    assert_eq!(fault(list).problem(), &Problem::TooManyPatterns);

    assert!(Query::parse(&"ua~a ".repeat(MAX_REGEXES)).is_ok());
    assert_eq!(
        fault("ua~a ".repeat(MAX_REGEXES + 1)).problem(),
        &Problem::TooManyRegexes
    );
    let deep_regex = format!("ua~\"{}a{}\"", "(".repeat(100), ")".repeat(100));
    assert!(matches!(fault(deep_regex).problem(), Problem::Regex(_)));
}

#[test]
fn the_longest_wildcards_compile() {
    for piece in ["?*", "a?", "\u{e9}?", "a*"] {
        let text = piece.repeat(MAX_LENGTH / piece.len() - 3);
        let query = Query::parse(&format!("ua:{text}"));
        assert!(query.is_ok(), "{piece}: {query:?}");
    }
}

#[test]
fn needs_are_told() {
    let query = |text| Query::parse(text).unwrap();
    assert!(!query("agent:10.0.0.0/8 type:sip src:5060").needs_sip());
    assert!(query("agent:10.0.0.0/8 OR NOT method:OPTIONS").needs_sip());
    assert!(query("header.Via:*").needs_sip());
    assert!(!query("method:INVITE").needs_payload());
    assert!(query("busy").needs_payload());
    assert!(!query("received>2026-11-23Z time<2026-11-24Z correlation_id:x").needs_sip());
    assert!(query("class:call branch:* ruri:x domain:y").needs_sip());
    assert!(!Query::everything().needs_sip());
}

#[test]
fn every_field_is_found_by_its_name_and_suggested_for_its_synonyms() {
    for entry in &FIELDS {
        assert_eq!(Field::from_name(entry.name), Some(entry.field.clone()));
        assert_eq!(entry.field.to_string(), entry.name);
        for synonym in entry.synonyms {
            assert_eq!(
                Field::from_name(synonym),
                None,
                "{synonym} is a field itself"
            );
            assert_eq!(field::suggestion(synonym, Scope::Call), Some(entry.name));
        }
        assert!(!field::URI_SCHEMES.contains(&entry.name));
    }
    assert_eq!(field::suggestion("duratoin", Scope::Call), Some("duration"));
    assert_eq!(field::suggestion("duratoin", Scope::Message), None);
    assert_eq!(field::suggestion("duratoin", Scope::Stored), None);
    assert_eq!(field::suggestion("label_f1", Scope::Stored), Some("f1"));
    assert_eq!(field::suggestion("label_f1", Scope::Message), None);
    assert_eq!(field::suggestion("zzz", Scope::Message), None);
}

#[test]
fn every_field_is_documented() {
    let docs = include_str!("../../../../docs/query.md");
    for entry in &FIELDS {
        assert!(
            docs.contains(&format!("| `{}` |", entry.name)),
            "{}",
            entry.name
        );
    }
}

/// The examples of the reference are read by the parser they describe.
#[test]
fn every_documented_query_is_read() {
    let docs = include_str!("../../../../docs/query.md");
    let mut examples = 0;
    for block in docs.split("```query\n").skip(1) {
        for line in block.split("```").next().unwrap_or_default().lines() {
            if let Err(error) = Query::parse_at(Scope::Call, line, &now()) {
                panic!("{}", error.render(line));
            }
            examples += 1;
        }
    }
    assert!(examples > 30, "{examples}");
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9@.:+-]{1,12}",
        "\"([^\"\\\\]|\\\\[\"\\\\nrt]){0,8}\"",
        "[a*?\\u{e9}]{1,6}",
        Just("OR".to_owned()),
        Just("10.0.0.0/8".to_owned()),
        Just("400..499".to_owned()),
        Just("3.25ms".to_owned()),
        Just("[::1..::9]:5060..5061".to_owned()),
        Just("2026-11-23T10:00+01:00..2026-11-23Z".to_owned()),
        Just("10:30:00.5".to_owned()),
        Just("retransmission".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let names = FIELDS.iter().map(|e| e.name).chain(["header.X-Y"]);
    let name = prop::sample::select(names.collect::<Vec<_>>());
    let operator = prop::sample::select(vec![":", "=", "!=", "~", "!~", ">", "<=", " < ", ">="]);
    prop_oneof![
        word(),
        (name.clone(), operator, word()).prop_map(|(n, o, w)| format!("{n}{o}{w}")),
        (name, prop::collection::vec(word(), 1..4))
            .prop_map(|(n, words)| format!("{n}:({})", words.join(", "))),
    ]
}

fn text() -> impl Strategy<Value = String> {
    condition().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.join(" ")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.join(" OR ")),
            inner.clone().prop_map(|part| format!("NOT {part}")),
            inner.prop_map(|part| format!("({part})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        fuzzing::query(text.as_bytes());
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        fuzzing::query(&octets);
    }

    #[test]
    fn what_is_written_reads_back(text in text()) {
        fuzzing::query(text.as_bytes());
    }

    #[test]
    fn every_single_condition_reads_back(text in condition()) {
        fuzzing::query(text.as_bytes());
    }

    /// A wildcard means what the plain definition of it says.
    #[test]
    fn globs_fit_what_they_say(pattern in "[ab*?]{1,8}", value in "[abAB]{0,8}") {
        struct One(String);
        impl Subject for One {
            fn any(&self, _: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
                fits(Value::Text(self.0.as_bytes()))
            }
        }
        fn plain(pattern: &[u8], value: &[u8]) -> bool {
            match (pattern.split_first(), value.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), None) => plain(rest, value),
                (Some((b'*', rest)), Some((_, shorter))) => {
                    plain(rest, value) || plain(pattern, shorter)
                }
                (Some((b'?', rest)), Some((_, shorter))) => plain(rest, shorter),
                (Some((p, rest)), Some((v, shorter))) => {
                    p.eq_ignore_ascii_case(v) && plain(rest, shorter)
                }
                _ => false,
            }
        }
        let query = Query::parse(&format!("ua:{pattern}")).unwrap();
        prop_assert_eq!(
            query.matches(&One(value.clone())),
            plain(pattern.as_bytes(), value.as_bytes())
        );
        let folded = format!("call_id:{pattern}");
        let exact = Query::parse(&folded).unwrap();
        prop_assert_eq!(
            exact.matches(&One(value.to_ascii_lowercase())),
            plain(pattern.as_bytes(), value.to_ascii_lowercase().as_bytes())
        );
    }
}

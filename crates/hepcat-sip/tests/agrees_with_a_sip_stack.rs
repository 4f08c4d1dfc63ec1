//! On well-formed messages the scan finds what a SIP stack's parser finds.
//!
//! No `<` is generated inside quotation marks: it is legal there, but the stack ends the display name at it. The table
//! of variants has that case.

use hepcat_sip::{NameAddr, scan};
use proptest::prelude::*;
use rsipstack::sip::{HasHeaders, Header, HeadersExt, SipMessage, ToTypedHeader, Uri};

const TOKEN: &str = "[A-Za-z0-9.!%*_+'~-]{1,20}";
const HOST: &str = "([a-z][a-z0-9]{0,8}\\.){0,2}[a-z][a-z0-9]{1,8}|10\\.[1-9]{1,2}\\.0\\.[1-9]|\\[2001:db8::[1-9]\\]";
const USER: &str = "[a-z0-9+_.!-]{1,16}";

prop_compose! {
    fn address()(display in prop::option::of("[A-Za-z ;,>@]{1,20}"), user in USER, host in HOST,
                 port in prop::option::of(1024_u16..), tag in prop::option::of(TOKEN)) -> String {
        let display = display.map_or(String::new(), |display| format!("\"x{display}x\" "));
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let tag = tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        format!("{display}<sip:{user}@{host}{port}>{tag}")
    }
}

prop_compose! {
    fn message()(
        start in prop_oneof![
            Just("INVITE sip:bob@b.example SIP/2.0".to_owned()),
            Just("OPTIONS sip:10.0.0.1:5070;transport=tcp SIP/2.0".to_owned()),
            (100_u16..=606, "[A-Za-z ]{0,20}").prop_map(|(code, reason)| format!("SIP/2.0 {code} x{reason}x")),
        ],
        from in address(),
        to in address(),
        call_id in "[a-zA-Z0-9]{1,30}(@[a-z0-9.]{1,10})?",
        cseq in any::<u32>(),
        transport in prop::sample::select(vec!["UDP", "TCP", "TLS", "WS", "WSS"]),
        branch in TOKEN,
        agent in "[A-Za-z0-9/.() -]{0,30}",
        body in "[a-z=0-9 \r\n]{0,60}",
    ) -> String {
        format!(
            "{start}\r\nVia: SIP/2.0/{transport} h.example:5060;rport;branch=z9hG4bK{branch}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} INVITE\r\n\
             User-Agent: x{agent}x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn on_generated_messages(message in message()) {
        agree(message.as_bytes());
    }
}

#[test]
fn on_a_real_looking_invite() {
    agree(include_bytes!("messages/invite.sip"));
}

fn agree(payload: &[u8]) {
    let ours = scan(payload).expect("it starts with a request line or a status line");
    let theirs = SipMessage::try_from(payload).expect("well-formed");
    assert_eq!(ours.first_defect(), None);
    match &theirs {
        SipMessage::Request(request) => {
            assert_eq!(text(ours.method()), Some(request.method.to_string()));
            let uri = ours.request_uri().expect("a request has one");
            assert_eq!(text(uri.user()), request.uri.user().map(str::to_owned));
            assert_eq!(text(uri.host()), Some(request.uri.host().to_string()));
            assert_eq!(uri.port(), port(&request.uri));
            assert_eq!(ours.status_code(), None);
            assert_eq!(ours.body(), request.body);
        }
        SipMessage::Response(response) => {
            assert_eq!(ours.status_code(), Some(response.status_code.code()));
            assert_eq!(ours.method(), None);
            assert_eq!(ours.body(), response.body);
        }
    }
    let call_id = theirs.call_id_header().expect("Call-ID").value();
    assert_eq!(text(ours.call_id()).as_deref(), Some(call_id));
    let cseq = theirs.cseq_header().expect("CSeq").typed().expect("CSeq");
    assert_eq!(ours.cseq_number(), Some(cseq.seq));
    assert_eq!(text(ours.cseq_method()), Some(cseq.method.to_string()));
    let via = theirs.via_header().expect("Via").typed().expect("Via");
    assert_eq!(
        text(ours.via_branch()),
        via.branch().map(ToString::to_string)
    );
    assert_eq!(text(ours.via_transport()), Some(via.transport.to_string()));
    let from = theirs.from_header().expect("From").typed().expect("From");
    let tag = from.tag().map(|tag| tag.value().to_owned());
    agree_on_address(ours.from(), from.display_name.as_deref(), &from.uri, tag);
    let to = theirs.to_header().expect("To").typed().expect("To");
    let tag = to.tag().map(|tag| tag.value().to_owned());
    agree_on_address(ours.to(), to.display_name.as_deref(), &to.uri, tag);
    let agent = theirs.headers().iter().find_map(|header| match header {
        Header::UserAgent(agent) => Some(agent.value().to_owned()),
        _ => None,
    });
    assert_eq!(text(ours.user_agent()), agent);
    assert_eq!(ours.headers().count(), theirs.headers().len());
}

fn agree_on_address(
    ours: Option<NameAddr<'_>>,
    display: Option<&str>,
    uri: &Uri,
    tag: Option<String>,
) {
    let ours = ours.expect("it is there");
    assert_eq!(text(ours.display()).as_deref(), display);
    assert_eq!(text(ours.user()), uri.user().map(str::to_owned));
    assert_eq!(text(ours.host()), Some(uri.host().to_string()));
    assert_eq!(ours.uri().port(), port(uri));
    assert_eq!(text(ours.tag()), tag);
}

fn port(uri: &Uri) -> Option<u16> {
    uri.host_with_port.port.as_ref().map(|port| port.value())
}

fn text(octets: Option<&[u8]>) -> Option<String> {
    octets.map(|octets| String::from_utf8(octets.to_vec()).expect("ASCII"))
}

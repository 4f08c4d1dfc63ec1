//! Messages of the traffic as rows.

use hepcat_store::{Class, Row, RowBatchBuilder};
use hepcat_testkit::traffic::{Dialog, SipMessage};

use crate::{Fallible, envelope::envelope_of};

fn row(message: &SipMessage) -> Row<'_> {
    let mut row = Row::default();
    row.received_at = message.at + 300;
    row.sent_at = Some(message.at);
    row.class = match message.dialog {
        Some(Dialog::Call) => Class::Call,
        Some(Dialog::Registration) => Class::Registration,
        Some(Dialog::Options) => Class::Options,
        None => Class::Other,
    };
    row.listener = Some("edge");
    row.agent = Some("10.1.0.7");
    row.agent_port = Some(40_123);
    row.local_ip = Some("10.1.0.1");
    row.local_port = Some(9_060);
    row.hep_transport = Some("tcp");
    row.hep_version = Some(3);
    row.ip_family = Some(2);
    row.ip_protocol = Some(17);
    row.src_ip = Some(&message.source.0);
    row.src_port = Some(message.source.1.into());
    row.dst_ip = Some(&message.destination.0);
    row.dst_port = Some(message.destination.1.into());
    row.protocol_type = Some(1);
    row.capture_id = Some(2_001);
    row.node_name = Some("sbc-paris-1");
    row.correlation_id = Some(&message.call_id);
    row.method = message.method;
    row.status = message.status.map(Into::into);
    row.cseq_number = Some(message.cseq.into());
    row.cseq_method = Some(message.cseq_method);
    row.call_id = Some(&message.call_id);
    row.from_user = Some(&message.from_user);
    row.from_host = Some(&message.host);
    row.from_tag = Some(&message.from_tag);
    row.to_user = Some(&message.to_user);
    row.to_host = Some(&message.host);
    row.to_tag = message.to_tag.as_deref();
    if message.method.is_some() {
        row.ruri_user = Some(&message.to_user);
        row.ruri_host = Some(&message.host);
    }
    row.via_branch = Some(&message.branch);
    row.user_agent = Some(message.user_agent);
    row.payload = &message.payload;
    row
}

pub(crate) fn batch(messages: &[SipMessage]) -> Fallible<RowBatchBuilder> {
    let mut rows = RowBatchBuilder::with_capacity(messages.len());
    let mut envelope = Vec::new();
    for message in messages {
        envelope.clear();
        let mut row = row(message);
        envelope_of(message).encode_into(&row, &mut envelope);
        row.envelope = &envelope;
        rows.push(&row)?;
    }
    Ok(rows)
}

//! The columns: their names, kinds and meaning, once for the row, the segments, the log and the filters.
//!
//! `docs/store-format.md` says the same for people who read segments with other programs; a test compares the two.

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    datatypes::{Field, Schema, SchemaRef},
};
use std::sync::{Arc, LazyLock};

use super::{
    class::Class,
    kind::{ClassWord, Id, Instant, Int, Kind, Long, Malformed, Octets, Reader, Text, Time, Word},
};

/// Version of the schema that this program writes.
pub const SCHEMA_VERSION: u32 = 2;

macro_rules! columns {
    ($($(#[$doc:meta])* $variant:ident = $name:ident: $kind:ident($value:ty),)*) => {
        /// One row: a captured message, or a record that the node wrote about several.
        ///
        /// Made with [`Row::default`] and filled in; what a message does not say stays `None`. Texts that are no
        /// UTF-8 on the wire go in with replacement characters: the octets themselves are in `payload` and
        /// `envelope`.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Row<'a> {
            $($(#[$doc])* pub $name: $value,)*
        }

        /// Names a column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Column {
            $($(#[$doc])* $variant,)*
        }

        impl Column {
            /// All of them, in the order of the schema.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in segments.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)* }
            }

            pub(crate) const fn form(self) -> super::kind::Form {
                match self { $(Self::$variant => <$kind as Kind>::FORM,)* }
            }
        }

        /// What collects each column.
        #[derive(Debug, Default)]
        pub(super) struct Builders {
            $($name: <$kind as Kind>::Builder,)*
        }

        impl Builders {
            pub(super) fn append(&mut self, row: &Row<'_>) {
                $(<$kind as Kind>::append(&mut self.$name, row.$name);)*
            }

            /// The columns; the next rows begin others.
            pub(super) fn finish(&mut self) -> Vec<ArrayRef> {
                vec![$(<$kind as Kind>::finish(&mut self.$name),)*]
            }
        }

        /// Typed access to a batch that may lack columns.
        #[derive(Debug)]
        pub struct Rows<'a> {
            length: usize,
            $($name: Option<&'a <$kind as Kind>::Array>,)*
        }

        impl<'a> Rows<'a> {
            pub(crate) fn new(batch: &'a RecordBatch) -> Self {
                // The schema is looked through only where it is not the usual one.
                let whole = Arc::ptr_eq(batch.schema_ref(), &SCHEMA);
                let find = |column: Column| if whole {
                    batch.columns().get(column as usize)
                } else {
                    batch.column_by_name(column.name())
                };
                Self {
                    length: batch.num_rows(),
                    $($name: find(Column::$variant)
                        // Most columns of most batches are empty: rows need not look there.
                        .filter(|array| array.null_count() < array.len())
                        .and_then(|array| array.as_any().downcast_ref()),)*
                }
            }

            /// The row at `index`; what has no column is `None`.
            #[must_use]
            pub fn get(&self, index: usize) -> Option<Row<'a>> {
                if index >= self.length {
                    return None;
                }
                Some(Row {
                    $($name: self.$name
                        .map(|array| <$kind as Kind>::value(array, index))
                        .unwrap_or_default(),)*
                })
            }
        }

        impl Row<'_> {
            /// Appends the row as the log holds it: which columns have a value, then the values.
            pub(crate) fn encode(&self, out: &mut Vec<u8>) {
                let present = out.len();
                out.resize(present + PRESENCE, 0);
                $(if <$kind as Kind>::is_present(self.$name) {
                    let column = Column::$variant as usize;
                    if let Some(octet) = out.get_mut(present + column / 8) {
                        *octet |= 1 << (column % 8);
                    }
                    <$kind as Kind>::encode(self.$name, out);
                })*
            }

            /// Octets that its values take.
            pub(crate) fn octets(&self) -> usize {
                0 $(+ <$kind as Kind>::octets(self.$name))*
            }
        }

        impl<'a> Row<'a> {
            /// Reads what [`Row::encode`] wrote.
            pub(crate) fn decode(from: &mut Reader<'a>) -> Result<Self, Malformed> {
                let present = from.take(PRESENCE)?;
                let has = |column: usize| {
                    present.get(column / 8).is_some_and(|octet| octet & (1 << (column % 8)) != 0)
                };
                Ok(Self {
                    $($name: if has(Column::$variant as usize) {
                        <$kind as Kind>::decode(from)?
                    } else {
                        Default::default()
                    },)*
                })
            }
        }
    };
}

columns! {
    /// Identity, given by the store: see `RowId`.
    RowId = row_id: Id(i64),
    /// What kind of traffic it is; each class has segments and a retention of its own.
    Class = class: ClassWord(Class),
    /// `None` for a captured message, else the name of a record that the node wrote itself, such as `call`.
    Record = record: Word(Option<&'a str>),
    /// When the node read it from the socket, microseconds since 1970 UTC.
    ReceivedAt = received_at: Instant(i64),
    /// When the agent captured it, as far as its clock is believed; else `None`, and the time of the row is `received_at`.
    SentAt = sent_at: Time(Option<i64>),
    /// The time that the agent gave, where it is not believed.
    ClaimedAt = claimed_at: Time(Option<i64>),
    /// Name of the listener.
    Listener = listener: Word(Option<&'a str>),
    /// Address of the peer that sent the frame.
    Agent = agent: Word(Option<&'a str>),
    /// Its port.
    AgentPort = agent_port: Int(Option<i32>),
    /// Address of ours that the frame was sent to.
    LocalIp = local_ip: Word(Option<&'a str>),
    /// Its port.
    LocalPort = local_port: Int(Option<i32>),
    /// What the frame came over: `udp`, `tcp`, `tls`.
    HepTransport = hep_transport: Word(Option<&'a str>),
    /// HEP version: 1, 2 or 3.
    HepVersion = hep_version: Int(Option<i32>),
    /// IP protocol family of the captured packet, as sent (2 is IPv4, 10 is IPv6).
    IpFamily = ip_family: Int(Option<i32>),
    /// IP protocol ID of the captured packet.
    IpProtocol = ip_protocol: Int(Option<i32>),
    /// Source address of the captured packet.
    SrcIp = src_ip: Word(Option<&'a str>),
    /// Its source port.
    SrcPort = src_port: Int(Option<i32>),
    /// Destination address of the captured packet.
    DstIp = dst_ip: Word(Option<&'a str>),
    /// Its destination port.
    DstPort = dst_port: Int(Option<i32>),
    /// HEP protocol type of the payload.
    ProtocolType = protocol_type: Int(Option<i32>),
    /// Capture agent ID.
    CaptureId = capture_id: Long(Option<i64>),
    /// Node name that the agent gave itself.
    NodeName = node_name: Word(Option<&'a str>),
    /// Internal correlation ID, as sent.
    CorrelationId = correlation_id: Text(Option<&'a str>),
    /// VLAN ID.
    VlanId = vlan_id: Int(Option<i32>),
    /// Source MAC address, `00:11:22:33:44:55`.
    SrcMac = src_mac: Word(Option<&'a str>),
    /// Destination MAC address.
    DstMac = dst_mac: Word(Option<&'a str>),
    /// Ethernet type.
    EthernetType = ethernet_type: Int(Option<i32>),
    /// TCP flags.
    TcpFlags = tcp_flags: Int(Option<i32>),
    /// IP type of service.
    IpTos = ip_tos: Int(Option<i32>),
    /// Mean opinion score, as sent.
    Mos = mos: Int(Option<i32>),
    /// R-factor, as sent.
    RFactor = r_factor: Int(Option<i32>),
    /// Jitter, as sent.
    Jitter = jitter: Long(Option<i64>),
    /// Geographic location.
    GeoLocation = geo_location: Word(Option<&'a str>),
    /// Transaction type: `call`, `registration`.
    TransactionType = transaction_type: Word(Option<&'a str>),
    /// Event type.
    EventType = event_type: Int(Option<i32>),
    /// Type of tag.
    TagType = tag_type: Int(Option<i32>),
    /// Values of tags.
    TagValues = tag_values: Word(Option<&'a str>),
    /// Keys of a JSON payload.
    PayloadJsonKeys = payload_json_keys: Word(Option<&'a str>),
    /// Group ID.
    GroupId = group_id: Word(Option<&'a str>),
    /// Keep-alive time, seconds.
    KeepAlive = keep_alive: Int(Option<i32>),
    /// Extra correlations of OpenSIPS, the JSON text as sent.
    ExtraCorrelations = extra_correlations: Text(Option<&'a str>),
    /// SIP method of a request.
    Method = method: Word(Option<&'a str>),
    /// SIP status code of a response.
    Status = status: Int(Option<i32>),
    /// Number of the CSeq.
    CseqNumber = cseq_number: Long(Option<i64>),
    /// Method of the CSeq.
    CseqMethod = cseq_method: Word(Option<&'a str>),
    /// SIP Call-ID.
    CallId = call_id: Text(Option<&'a str>),
    /// User of the From URI.
    FromUser = from_user: Word(Option<&'a str>),
    /// Host of the From URI.
    FromHost = from_host: Word(Option<&'a str>),
    /// Tag of From.
    FromTag = from_tag: Text(Option<&'a str>),
    /// User of the To URI.
    ToUser = to_user: Word(Option<&'a str>),
    /// Host of the To URI.
    ToHost = to_host: Word(Option<&'a str>),
    /// Tag of To.
    ToTag = to_tag: Text(Option<&'a str>),
    /// User of the request URI.
    RuriUser = ruri_user: Word(Option<&'a str>),
    /// Host of the request URI.
    RuriHost = ruri_host: Word(Option<&'a str>),
    /// Branch of the topmost Via.
    ViaBranch = via_branch: Text(Option<&'a str>),
    /// User-Agent, or Server.
    UserAgent = user_agent: Word(Option<&'a str>),
    /// X-Call-ID or X-CID.
    XCallId = x_call_id: Text(Option<&'a str>),
    /// Session-ID.
    SessionId = session_id: Text(Option<&'a str>),
    /// Call-ID to which a row was attached that has none of its own.
    AttachedTo = attached_to: Text(Option<&'a str>),
    /// Why it was attached there.
    AttachedBy = attached_by: Word(Option<&'a str>),
    /// Of records: microseconds from INVITE to final response.
    SetupUs = setup_us: Long(Option<i64>),
    /// Of records: microseconds from answer to end.
    DurationUs = duration_us: Long(Option<i64>),
    /// Table that a script named for the message.
    LabelTable = label_table: Word(Option<&'a str>),
    /// First field that it gave.
    LabelF1 = label_f1: Text(Option<&'a str>),
    /// Second field.
    LabelF2 = label_f2: Text(Option<&'a str>),
    /// Third field.
    LabelF3 = label_f3: Text(Option<&'a str>),
    /// Everything that scripts wrote on the message, as JSON, where the four columns do not say it all.
    Labels = labels: Text(Option<&'a str>),
    /// Why the frame did not decode: a label.
    ErrorReason = error_reason: Word(Option<&'a str>),
    /// Where in the frame.
    ErrorOffset = error_offset: Int(Option<i32>),
    /// The captured text or octets, inflated; of an unparsable frame, the frame; of a record, its content.
    Payload = payload: Octets(&'a [u8]),
    /// What is needed beside `payload` to make the frame again: see `Envelope`.
    Envelope = envelope: Octets(&'a [u8]),
}

/// Octets of the presence bits in front of a row in the log.
const PRESENCE: usize = Column::ALL.len().div_ceil(8);

impl Column {
    /// The column of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|column| column.name() == name)
    }
}

impl Builders {
    /// Makes room for so many octets of rows, most of which are payload.
    pub(super) fn reserve(&mut self, octets: usize) {
        self.payload.reserve(octets / 4 * 3);
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields: Vec<Field> = Column::ALL
        .iter()
        .map(|column| {
            Field::new(
                column.name(),
                column.form().data_type(),
                column.form().nullable(),
            )
        })
        .collect();
    Arc::new(Schema::new(fields))
});

/// The schema.
pub(crate) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

//! Which messages begin a trace. A filter that is not understood is refused: it never falls back to more.

use std::net::IpAddr;

use hepcat_sip::{Kind, Uri};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::query::{MessageView, Query};

/// A filter as it is written; what is given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterText {
    /// User of the From URI of a request, or `user@host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// User of the request URI, or `user@host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee: Option<String>,
    /// Address or network of either captured end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It would take in everything.
    #[error("a trace needs a filter: caller, callee, address or when")]
    Missing,
    /// A user that can be none.
    #[error("{which} \"{text}\": {what}")]
    User {
        /// `caller` or `callee`.
        which: &'static str,
        /// As written.
        text: String,
        /// What is wrong.
        what: &'static str,
    },
    /// An address or network that is none.
    #[error("address \"{text}\": {what}")]
    Address {
        /// As written.
        text: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A query that is not understood.
    #[error("when: {0}")]
    Query(String),
}

/// Longest user, octets.
const LONGEST_USER: usize = 256;

/// A filter, ready to be held against messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    caller: Option<User>,
    callee: Option<User>,
    address: Option<IpNet>,
    when: Option<Query>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    user: Box<[u8]>,
    host: Option<Box<[u8]>>,
}

impl FilterText {
    /// Reads every part of it.
    ///
    /// # Errors
    /// The first part that is not understood, or that there is none.
    pub fn compile(&self) -> Result<Filter, FilterError> {
        let filter = Filter {
            caller: read_user("caller", self.caller.as_deref())?,
            callee: read_user("callee", self.callee.as_deref())?,
            address: self.address.as_deref().map(read_network).transpose()?,
            when: self.when.as_deref().map(read_query).transpose()?,
        };
        if *self == Self::default() {
            return Err(FilterError::Missing);
        }
        Ok(filter)
    }
}

impl Filter {
    /// A filter that is a query alone, which may be the one that fits everything: what a configuration
    /// asks for in so many words.
    #[must_use]
    pub fn of_query(when: Query) -> Self {
        Self {
            caller: None,
            callee: None,
            address: None,
            when: Some(when),
        }
    }

    /// Whether a message fits. Caller and callee are asked of requests: only those name them for certain.
    #[must_use]
    pub fn matches(&self, message: &MessageView<'_>) -> bool {
        self.address
            .is_none_or(|network| either_end_in(message, network))
            && self.names_fit(message)
            && self.when.as_ref().is_none_or(|when| when.matches(message))
    }

    fn names_fit(&self, message: &MessageView<'_>) -> bool {
        if self.caller.is_none() && self.callee.is_none() {
            return true;
        }
        let Some(sip) = message.sip().filter(|sip| sip.kind() == Kind::Request) else {
            return false;
        };
        let is = |wanted: &User, uri: Option<Uri<'_>>| uri.is_some_and(|uri| wanted.is(uri));
        (self.caller.as_ref()).is_none_or(|caller| is(caller, sip.from().map(|from| from.uri())))
            && (self.callee.as_ref()).is_none_or(|callee| is(callee, sip.request_uri()))
    }
}

impl User {
    /// Users are compared octet by octet, hosts without regard to case (RFC 3261 §19.1.4).
    fn is(&self, uri: Uri<'_>) -> bool {
        uri.user() == Some(&*self.user)
            && self.host.as_ref().is_none_or(|host| {
                uri.host()
                    .is_some_and(|named| named.eq_ignore_ascii_case(host))
            })
    }
}

fn either_end_in(message: &MessageView<'_>, network: IpNet) -> bool {
    let message = &message.envelope().message;
    [message.canonical_src_ip(), message.canonical_dst_ip()]
        .into_iter()
        .flatten()
        .any(|ip| network.contains(&ip))
}

fn read_user(which: &'static str, text: Option<&str>) -> Result<Option<User>, FilterError> {
    let Some(text) = text else { return Ok(None) };
    let wrong = |what| {
        Err(FilterError::User {
            which,
            text: text.to_owned(),
            what,
        })
    };
    if text.is_empty() || text.len() > LONGEST_USER {
        return wrong("write a user, or user@host, of at most 256 octets");
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
    {
        return wrong("no user has such characters; write it without a display name");
    }
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| {
        ["sip", "sips", "tel"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    }) {
        return wrong("leave the scheme out: user, or user@host");
    }
    if text.contains('*') || text.contains('?') {
        return wrong("users are compared as they stand; for patterns use when, such as from:al*");
    }
    let (user, host) = match text.rsplit_once('@') {
        None => (text, None),
        Some(("", _) | (_, "")) => return wrong("user or host is missing around the @"),
        Some((user, host)) => (user, Some(host)),
    };
    Ok(Some(User {
        user: user.as_bytes().into(),
        host: host.map(|host| host.as_bytes().into()),
    }))
}

fn read_network(text: &str) -> Result<IpNet, FilterError> {
    let wrong = |what| {
        Err(FilterError::Address {
            text: text.to_owned(),
            what,
        })
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let Ok(network) = text.parse::<IpNet>() else {
        return wrong("write an IPv4 or IPv6 address, or a network such as 10.1.0.0/16");
    };
    if network.prefix_len() == 0 {
        return wrong("this is every address");
    }
    if network.addr() != network.network() {
        return wrong("the address has bits beyond its prefix: which of the two is meant?");
    }
    Ok(network)
}

fn read_query(text: &str) -> Result<Query, FilterError> {
    let query = Query::parse(text).map_err(|error| FilterError::Query(error.to_string()))?;
    if query == Query::everything() {
        return Err(FilterError::Query(
            "an empty query is every message".to_owned(),
        ));
    }
    Ok(query)
}

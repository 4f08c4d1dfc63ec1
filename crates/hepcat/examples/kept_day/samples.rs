//! What there is to ask for in a day that was made.

use hepcat_testkit::traffic::{Dialog, SipMessage};
use serde_json::{Value, json};

use crate::{Fallible, SECOND};

/// Samples of each kind, spread over the day.
const WANTED: u64 = 40;
/// A user's number above this has few calls a day: of 300,000 users a third.
const RARE: u32 = 200_000;

/// Times are microseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// The first message's time.
    pub(crate) begin: i64,
    /// Beyond the last message's time.
    pub(crate) end: i64,
    /// How many messages there are.
    pub(crate) rows: u64,
    /// Call-IDs of calls that are over, the oldest first.
    pub(crate) call_ids: Vec<String>,
    /// Users with few calls.
    pub(crate) users: Vec<String>,
    /// Tags of the last hour: in payloads they stand a few times each.
    pub(crate) tags: Vec<String>,
}

impl Samples {
    /// Of so many messages from `begin` on.
    pub(crate) fn new(begin: i64, rows: u64) -> Self {
        Self {
            begin,
            rows,
            ..Self::default()
        }
    }

    /// Looks at the message with this number.
    pub(crate) fn see(&mut self, number: u64, message: &SipMessage) {
        self.end = message.at + 1;
        let is_call = message.dialog == Some(Dialog::Call);
        let due = |have: usize| number >= self.rows / WANTED * have as u64;
        // Well before the end: its record is written when it is over.
        let is_early = number < self.rows / 100 * 99;
        if is_call && is_early && due(self.call_ids.len()) && message.method == Some("INVITE") {
            self.call_ids.push(message.call_id.clone());
        }
        if is_call && due(self.users.len()) && is_rare(&message.from_user) {
            self.users.push(message.from_user.clone());
        }
        // One in a while, of which the last ones are kept.
        if is_call && number.is_multiple_of(1_009) {
            self.tags.push(message.from_tag.clone());
            if self.tags.len() > 2_000 {
                self.tags.drain(..1_000);
            }
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let few = self.tags.len().saturating_sub(20);
        json!({
            "begin": self.begin,
            "end": self.end,
            "rows": self.rows,
            "call_ids": self.call_ids,
            "users": self.users,
            "tags": self.tags.get(few..),
        })
    }

    pub(crate) fn from_json(json: &Value) -> Fallible<Self> {
        let number = |name: &str| json[name].as_i64().ok_or_else(|| format!("no `{name}`"));
        let texts = |name: &str| {
            let texts = json[name].as_array().into_iter().flatten();
            let texts = texts.filter_map(|text| Some(text.as_str()?.to_owned()));
            texts.collect::<Vec<_>>()
        };
        Ok(Self {
            begin: number("begin")?,
            end: number("end")?,
            rows: u64::try_from(number("rows")?)?,
            call_ids: texts("call_ids"),
            users: texts("users"),
            tags: texts("tags"),
        })
    }

    /// So many hours before the end, or the begin.
    pub(crate) fn since(&self, hours: i64) -> i64 {
        (self.end - hours * 3_600 * SECOND).max(self.begin)
    }
}

/// Users are `+3314` and seven digits, of which small numbers are the busy ones.
fn is_rare(user: &str) -> bool {
    let number = user.strip_prefix("+3314");
    let number = number.and_then(|digits| digits.parse::<u32>().ok());
    number.is_some_and(|number| number >= RARE)
}

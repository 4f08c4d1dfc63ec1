//! The `[[group]]` tables: several destinations under one name.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Config, Fault, Marked, Target,
    listener::read_name,
    reader::{Bare, Table, closest},
    route::RESERVED,
};

/// Several destinations that routes name as one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// What routes and metrics call it.
    pub name: Marked<String>,
    /// Who of its members takes a message.
    pub kind: GroupKind,
    /// Its members, in the order of the file; at least one, each once.
    pub members: Vec<Member>,
    /// For how long a member that was down must have been up again before `failover` and `balance` return to it.
    pub hold: Duration,
}

/// Who of a group's members takes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    /// Every member takes a copy, whatever its state: it has a queue of its own.
    All,
    /// The first by priority that is up.
    Failover,
    /// The one that the message's Call-ID belongs to, so that a call stays together.
    Balance,
    /// The one that is up and has the least queued.
    Any,
}

impl GroupKind {
    /// The word of the configuration, which metrics and JSON use too.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failover => "failover",
            Self::Balance => "balance",
            Self::Any => "any",
        }
    }
}

/// A destination as member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The destination's name.
    pub name: Marked<String>,
    /// `balance`: its share beside the others' weights.
    pub weight: u32,
    /// `failover`: the lowest number comes first; the order of the file among equals.
    pub priority: u32,
}

/// Default of `hold`: longer than a collector needs that restarts twice, shorter than anybody waits for a return.
const HOLD: Duration = Duration::from_secs(30);
const HOLD_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

/// The number is a share, so that a hundred is a percentage; ten thousand is finer than anybody measures.
const WEIGHTS: RangeInclusive<i64> = 1..=10_000;
const PRIORITIES: RangeInclusive<i64> = 0..=65_535;

impl Group {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        table.require("name", "add a name, by which routes call the group");
        table.require("kind", "add kind = \"failover\", or all, balance, any");
        table.require("members", "add members = [\"…\"], names of destinations");
        let name = read_name(table);
        let kind = table.choice(
            "kind",
            &[
                ("all", GroupKind::All),
                ("failover", GroupKind::Failover),
                ("balance", GroupKind::Balance),
                ("any", GroupKind::Any),
            ],
        );
        let members = table.texts_or_tables(
            "members",
            |name| Some(Member::plain(name)),
            |member| Member::read(member, kind.as_deref().copied()),
        );
        let hold = table.duration("hold", Bare::Refused, HOLD_RANGE);
        if let (Some(hold), Some(GroupKind::All | GroupKind::Any)) = (&hold, kind.as_deref()) {
            let message = "`hold` means nothing for kinds `all` and `any`";
            table.fault(
                hold,
                message,
                "remove it: only `failover` and `balance` return",
            );
        }
        let written = members.as_ref().map_or(0, Vec::len);
        let members: Vec<_> = members.unwrap_or_default().into_iter().flatten().collect();
        if written == 0
            && table.has("members")
            && let Some(name) = &name
        {
            let message = format!("group `{}` has no members", **name);
            table.fault(name, message, "name at least one destination in `members`");
        }
        Some(Self {
            name: name?,
            kind: kind?.into_inner(),
            members,
            hold: hold.map_or(HOLD, Marked::into_inner),
        })
    }

    /// The members' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }
}

impl Member {
    fn plain(name: Marked<String>) -> Self {
        Self {
            name,
            weight: 1,
            priority: 0,
        }
    }

    fn read(table: &Table<'_>, kind: Option<GroupKind>) -> Option<Self> {
        table.require("name", "add the name of a destination");
        let name = table.text("name");
        let weight = table.number("weight", WEIGHTS);
        let priority = table.number("priority", PRIORITIES);
        if let (Some(weight), Some(kind)) = (&weight, kind)
            && kind != GroupKind::Balance
        {
            let message = format!("`weight` means nothing for kind `{}`", kind.label());
            table.fault(weight, message, "remove it: only `balance` has weights");
        }
        if let (Some(priority), Some(kind)) = (&priority, kind)
            && kind != GroupKind::Failover
        {
            let message = format!("`priority` means nothing for kind `{}`", kind.label());
            table.fault(
                priority,
                message,
                "remove it: only `failover` has priorities",
            );
        }
        Some(Self {
            weight: weight.map_or(1, Marked::into_inner),
            priority: priority.map_or(0, Marked::into_inner),
            ..Self::plain(name?)
        })
    }
}

/// Checks groups against each other, the destinations and the routes. `unread` names the destinations that have
/// faults of their own.
pub(super) fn check(config: &Config, unread: &[String], note: &mut dyn FnMut(Fault)) {
    for group in &config.groups {
        check_name(config, group, note);
        check_members(config, unread, group, note);
    }
    check_overlaps(config, note);
}

fn check_name(config: &Config, group: &Group, note: &mut dyn FnMut(Fault)) {
    if RESERVED.contains(&group.name.as_str()) {
        let message = format!("a group cannot be called `{}`", *group.name);
        let remedy = "routes use that word for something else: choose another";
        note(Fault::at(&group.name, message, remedy));
    }
    if is_destination(config, &group.name) {
        let message = format!("`{}` is a destination and a group", *group.name);
        let remedy = "rename one of them: routes could not tell which is meant";
        note(Fault::at(&group.name, message, remedy));
    }
}

fn is_destination(config: &Config, name: &str) -> bool {
    config.destinations.iter().any(|one| *one.name == name)
}

fn check_members(config: &Config, unread: &[String], group: &Group, note: &mut dyn FnMut(Fault)) {
    for (index, member) in group.members.iter().enumerate() {
        let name = member.name.as_str();
        if group.names().take(index).any(|earlier| earlier == name) {
            let message = format!("`{name}` stands twice in group `{}`", *group.name);
            note(Fault::at(&member.name, message, "name each member once"));
        }
        if is_destination(config, name) || unread.iter().any(|unread| unread == name) {
            continue;
        }
        if config.groups.iter().any(|other| *other.name == name) {
            let message = format!("group `{}` names group `{name}`", *group.name);
            let remedy = "name its members instead: groups hold destinations only";
            note(Fault::at(&member.name, message, remedy));
            continue;
        }
        let message = format!(
            "group `{}` names `{name}`, which is no destination",
            *group.name
        );
        let known = config.destinations.iter().map(|one| one.name.as_str());
        let remedy = match closest(name, known.chain(unread.iter().map(String::as_str))) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("add a [[destination]] of that name, or a hep_id [{name}]"),
        };
        note(Fault::at(&member.name, message, remedy));
    }
}

/// A message goes to a destination once, however many groups it is a member of: where one route, or the default,
/// leads to the same destination twice, one of the two copies would be missing where somebody counts on it.
fn check_overlaps(config: &Config, note: &mut dyn FnMut(Fault)) {
    for route in &config.routes {
        let groups = route.to.iter().filter_map(|target| {
            let Target::Named(name) = &**target else {
                return None;
            };
            let group = config.groups.iter().find(|group| *group.name == *name)?;
            Some((target, group))
        });
        let groups: Vec<_> = groups.collect();
        for (index, (target, group)) in groups.iter().enumerate() {
            let earlier = groups.iter().take(index).map(|(_, earlier)| *earlier);
            for (shared, earlier) in shared_with(group, earlier) {
                let message = format!(
                    "`{shared}` is in groups `{}` and `{}`, which this route names both",
                    *earlier.name, *group.name
                );
                let remedy = "name one of them: a message goes to a destination once";
                note(Fault::at(target, message, remedy));
            }
            for other in &route.to {
                let Target::Named(other) = &**other else {
                    continue;
                };
                if group.names().any(|member| member == other) {
                    let message = format!(
                        "this route names `{other}` and group `{}`, of which it is a member",
                        *group.name
                    );
                    let remedy = "name one of them: a message goes to a destination once";
                    note(Fault::at(target, message, remedy));
                }
            }
        }
    }
    if config.routes.iter().any(|route| route.when.is_none()) {
        return;
    }
    for (index, group) in config.groups.iter().enumerate() {
        for (shared, earlier) in shared_with(group, config.groups.iter().take(index)) {
            let message = format!(
                "`{shared}` is in groups `{}` and `{}`, and what no route matches goes to both",
                *earlier.name, *group.name
            );
            let remedy = "end with a [[route]] without `when` that says where the rest goes, or keep them apart";
            note(Fault::at(&group.name, message, remedy));
        }
    }
}

/// Names that `group` shares with each of `others`.
fn shared_with<'g>(
    group: &'g Group,
    others: impl Iterator<Item = &'g Group>,
) -> impl Iterator<Item = (&'g str, &'g Group)> {
    others.flat_map(move |other| {
        let shared = other
            .names()
            .filter(|name| group.names().any(|own| own == *name));
        shared.map(move |name| (name, other))
    })
}

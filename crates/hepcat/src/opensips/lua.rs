//! The routes that do something with HEP, as a script.
//!
//! A route is translated statement by statement. What has no counterpart becomes a comment: quoted where HEP has a
//! part in it, one line for what is only the processing of SIP by a proxy.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    destinations::Destinations,
    expression::Expression,
    hep_id,
    lua_call::{self, Names},
    lua_expression::{self, Needs},
    reader::{Item, Route, What},
    source::{Sources, Span},
    statement::{Block, End, Statement, Step},
    tally::Tally,
    toml::hide_password,
};

/// The functions that concern HEP.
const HEP: [&str; 11] = [
    "hep_get",
    "hep_set",
    "hep_del",
    "hep_relay",
    "hep_resume_sip",
    "sip_capture",
    "report_capture",
    "correlate",
    "trace",
    "sip_trace",
    "trace_dialog",
];

/// Routes of OpenSIPS that a script has as well.
const ENTRIES: [(&str, &str); 5] = [
    ("route", "request_route"),
    ("onreply_route", "onreply_route"),
    ("failure_route", "failure_route"),
    ("branch_route", "branch_route"),
    ("local_route", "local_route"),
];

/// The script, and what it says about the configuration.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: String,
}

/// A route and where it stands.
#[derive(Clone, Copy)]
struct Placed<'a> {
    route: &'a Route,
    span: &'a Span,
}

/// Translates the routes; `None` where none of them has to do with HEP. `hep_route` names the route that captured
/// messages run first.
///
/// `captures` says that messages of HEP are captured: the routes are then about them, and shown whole.
pub(super) fn write(
    items: &[Item],
    hep_route: Option<&str>,
    captures: bool,
    trace_ids: &BTreeSet<String>,
    destinations: &mut Destinations,
    sources: &Sources,
    tally: &mut Tally,
) -> Option<Script> {
    let routes: Vec<_> = items
        .iter()
        .filter_map(|item| match &item.what {
            What::Route(route) => Some(Placed {
                route,
                span: &item.span,
            }),
            _ => None,
        })
        .collect();
    let subs = sub_routes(&routes, hep_route);
    let concerned = concerned(&routes, &subs, hep_route);
    let is_concerned = |placed: &Placed<'_>| {
        placed
            .route
            .body
            .iter()
            .any(|statement| touches(statement, &concerned))
    };
    if !routes.iter().any(is_concerned) {
        return None;
    }
    let mut writer = Writer {
        sources,
        tally,
        names: Names {
            destinations,
            trace_ids,
        },
        concerned: &concerned,
        needs: Needs::default(),
        uses_var: false,
        uses_hop: false,
        kept: false,
        whole: true,
        lines: Vec::new(),
        depth: 0,
    };
    for (name, placed) in subs.iter().filter(|(name, _)| concerned.contains(**name)) {
        writer.function(
            &format!("local function {}()", local_name(name)),
            &[*placed],
        );
    }
    if let Some(name) = hep_route {
        let own: Vec<_> = routes
            .iter()
            .copied()
            .filter(|own| is_sub(own, name))
            .collect();
        // Even an empty one: what it does not resume goes no further.
        if !own.is_empty() {
            writer.function("function hep_route()", &own);
        }
    }
    writer.whole = captures;
    for (kind, entry) in ENTRIES {
        let own: Vec<_> = routes
            .iter()
            .copied()
            .filter(|own| own.route.kind == kind && (kind != "route" || own.route.name.is_none()))
            .filter(is_concerned)
            .collect();
        if !own.is_empty() {
            writer.function(&format!("function {entry}()"), &own);
        }
    }
    for placed in routes
        .iter()
        .filter(|own| is_concerned(own) && !is_entry(own))
    {
        let why = format!("a node that sees copies never runs a {}", placed.route.kind);
        writer.line("");
        writer.quote(placed.span, &why);
    }
    Some(writer.finish())
}

fn is_entry(placed: &Placed<'_>) -> bool {
    ENTRIES.iter().any(|(kind, _)| *kind == placed.route.kind)
}

fn is_sub(placed: &Placed<'_>, name: &str) -> bool {
    placed.route.kind == "route" && placed.route.name.as_deref() == Some(name)
}

/// The named routes that others call, by name; the one that HEP runs first is an entry point instead.
fn sub_routes<'a>(routes: &[Placed<'a>], hep_route: Option<&str>) -> BTreeMap<&'a str, Placed<'a>> {
    let named = routes.iter().filter(|own| own.route.kind == "route");
    let named = named.filter_map(|own| Some((own.route.name.as_deref()?, *own)));
    named.filter(|(name, _)| Some(*name) != hep_route).collect()
}

/// The sub-routes in which HEP has a part, directly or through others that they call, and all that the route of HEP
/// calls.
fn concerned<'a>(
    routes: &[Placed<'a>],
    subs: &BTreeMap<&'a str, Placed<'a>>,
    hep_route: Option<&str>,
) -> BTreeSet<String> {
    let mut concerned = BTreeSet::new();
    let called = |placed: &Placed<'a>| placed.route.body.iter().flat_map(|own| own.routes.iter());
    let first = routes
        .iter()
        .filter(|own| hep_route.is_some_and(|name| is_sub(own, name)));
    let mut next: Vec<&String> = first.flat_map(called).collect();
    while let Some(name) = next.pop() {
        if let Some(placed) = subs.get(name.as_str())
            && concerned.insert(name.clone())
        {
            next.extend(called(placed));
        }
    }
    loop {
        let before = concerned.len();
        for (name, placed) in subs {
            let body = &placed.route.body;
            if body.iter().any(|statement| touches(statement, &concerned)) {
                concerned.insert((*name).to_owned());
            }
        }
        // At most as often as there are routes.
        if concerned.len() == before || concerned.len() >= routes.len() {
            return concerned;
        }
    }
}

/// Whether HEP has a part in a statement.
fn touches(statement: &Statement, concerned: &BTreeSet<String>) -> bool {
    statement.calls_any(&|name| HEP.contains(&name))
        || statement
            .routes
            .iter()
            .any(|called| concerned.contains(called))
}

/// A sub-route as a function of Lua.
fn local_name(name: &str) -> String {
    let kept = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    format!("route_{}", kept.collect::<String>())
}

struct Writer<'a> {
    sources: &'a Sources,
    tally: &'a mut Tally,
    names: Names<'a>,
    concerned: &'a BTreeSet<String>,
    needs: Needs,
    uses_var: bool,
    uses_hop: bool,
    /// Whether what was written so far in this function relays, captures or traces.
    kept: bool,
    /// Whether every statement of the function is shown.
    whole: bool,
    lines: Vec<String>,
    depth: usize,
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        let indent = "  ".repeat(self.depth);
        self.lines
            .push(format!("{indent}{text}").trim_end().to_owned());
    }

    /// One function, of one route or several of a kind.
    fn function(&mut self, head: &str, routes: &[Placed<'_>]) {
        self.lines.push(String::new());
        for placed in routes {
            let name = match &placed.route.name {
                Some(name) => format!("{}[{name}]", placed.route.kind),
                None => placed.route.kind.clone(),
            };
            let place = self.sources.shown(placed.span);
            self.line(&format!("-- {place}: {}", super::reader::one_line(&name)));
            let armed = matches!(
                placed.route.kind.as_str(),
                "onreply_route" | "failure_route" | "branch_route"
            );
            if armed && placed.route.name.is_some() {
                self.line(
                    "-- (there for the transactions that arm it; here for all that are seen)",
                );
            }
        }
        self.line(head);
        self.depth += 1;
        self.kept = false;
        let start = self.lines.len();
        for placed in routes {
            let head = head_of(placed.span);
            self.tally.converted(self.sources, &head);
            if routes.len() > 1 {
                self.line("do");
                self.depth += 1;
            }
            self.block(&placed.route.body, true);
            if routes.len() > 1 {
                self.depth -= 1;
                self.line("end");
            }
        }
        // The next hop is that of one message.
        let entry = !head.starts_with("local");
        let set_here = |line: &String| line.contains("next_hop = ");
        if entry && (self.uses_hop || self.lines.iter().skip(start).any(set_here)) {
            self.lines.insert(start, "  next_hop = nil".to_owned());
        }
        self.depth -= 1;
        self.line("end");
    }

    /// The statements of a block; in the outermost one nothing matters behind the last that concerns HEP.
    fn block(&mut self, block: &Block, outermost: bool) {
        let last = block.iter().rposition(|own| touches(own, self.concerned));
        let end = match last {
            Some(last) if outermost && !self.whole => last + 1,
            _ => block.len(),
        };
        let mut left_out: Option<Span> = None;
        for (index, statement) in block.iter().enumerate() {
            if index >= end || !self.wants(statement) {
                left_out = Some(match left_out.take() {
                    Some(first) => first.to(&statement.span),
                    None => statement.span.clone(),
                });
                continue;
            }
            self.flush(&mut left_out);
            self.statement(statement);
        }
        self.flush(&mut left_out);
    }

    /// One line for statements that are no business of this node.
    fn flush(&mut self, left_out: &mut Option<Span>) {
        if let Some(span) = left_out.take() {
            let place = self.sources.shown(&span);
            self.line(&format!("-- {place}: no HEP, left out"));
        }
    }

    /// Whether a statement has to be shown: HEP has a part in it, or it decides what is reached.
    fn wants(&self, statement: &Statement) -> bool {
        if self.whole || touches(statement, self.concerned) {
            return true;
        }
        match &statement.step {
            Step::End(_) => true,
            Step::Assign { target, .. } => sets_hop(target) || target.starts_with("var("),
            Step::If {
                condition,
                then,
                otherwise,
                ..
            } => {
                let mut needs = Needs::default();
                let clear = condition
                    .as_ref()
                    .is_some_and(|own| lua_expression::condition(own, &mut needs).is_ok());
                let parts = then.iter().chain(otherwise.iter().flatten());
                clear && parts.into_iter().any(|own| self.wants(own))
            }
            Step::Group(block) => block.iter().any(|own| self.wants(own)),
            Step::Call(_) | Step::Other => false,
        }
    }

    fn statement(&mut self, statement: &Statement) {
        let written = match &statement.step {
            Step::Call(call) => self.call(call),
            Step::Assign {
                target,
                operator,
                value,
            } => self.assign(target, operator, value, &statement.span),
            Step::If {
                condition,
                head,
                then,
                otherwise,
            } => self.branch(condition.as_ref(), head, then, otherwise.as_ref()),
            Step::Group(block) => {
                self.block(block, false);
                return;
            }
            Step::End(end) => {
                self.end(*end);
                Ok(())
            }
            Step::Other => {
                Err("loops, switches and asynchronous calls are not translated".to_owned())
            }
        };
        match written {
            Ok(()) if matches!(statement.step, Step::If { .. }) => {}
            Ok(()) => self.tally.converted(self.sources, &statement.span),
            Err(why) => self.quote(&statement.span, &why),
        }
    }

    /// The source as a comment, with the reason above it.
    fn quote(&mut self, span: &Span, why: &str) {
        let place = self.sources.shown(span);
        self.line(&format!("-- {place}: {}", super::reader::one_line(why)));
        let text = hide_password(self.sources.slice(span));
        for line in unindented(&text) {
            self.line(&format!("--   {line}"));
        }
        self.tally.commented(self.sources, span);
    }

    fn call(&mut self, call: &super::statement::Call) -> Result<(), String> {
        let lower = call.name.to_ascii_lowercase();
        if lower == "route" {
            let called = super::statement::route_name(call).unwrap_or_default();
            if !self.concerned.contains(&called) {
                return Err(format!("route({called}) is not in this script"));
            }
            if call.arguments.len() > 1 {
                return Err("routes with arguments are not translated".to_owned());
            }
            self.line(&format!(
                "if {}() then return true end",
                local_name(&called)
            ));
            self.kept = true;
            return Ok(());
        }
        if lower == "hep_relay" {
            self.uses_hop = true;
        }
        let text = lua_call::statement(call, &self.names, &mut self.needs)?;
        self.kept |= lua_call::keeps(&lower);
        self.note_variables(&text);
        self.line(&text);
        Ok(())
    }

    fn note_variables(&mut self, text: &str) {
        self.uses_var |= text.contains("var.");
    }

    fn assign(
        &mut self,
        target: &str,
        operator: &str,
        value: &Expression,
        span: &Span,
    ) -> Result<(), String> {
        if sets_hop(target) && matches!(operator, "=" | ":=") {
            let Expression::Text(uri) = value else {
                return Err("the next hop is not written out: choose a destination by name, and hep_relay(name)".to_owned());
            };
            if uri.contains('$') {
                return Err("the next hop is made of variables: choose a destination by name, and hep_relay(name)".to_owned());
            }
            let socket = hep_id::next_hop(uri).map_err(|why| format!("{uri}: {why}"))?;
            let name = self.names.destinations.next_hop(socket, span);
            self.uses_hop = true;
            self.line(&format!("next_hop = {}", lua_expression::quote(&name)));
            return Ok(());
        }
        let place = lua_expression::target(target)?;
        let sum;
        let value = match operator {
            "=" | ":=" => value,
            // As if the variable stood on the right as well.
            "+=" | "-=" | "*=" => {
                let sign = match operator {
                    "+=" => "+",
                    "-=" => "-",
                    _ => "*",
                };
                let own = Expression::Variable(target.to_owned());
                sum = Expression::Binary(sign, Box::new(own), Box::new(value.clone()));
                &sum
            }
            _ => return Err(format!("`{operator}` has no counterpart")),
        };
        let value = lua_expression::value(value, &mut self.needs)?;
        let text = format!("{place} = {value}");
        self.uses_var = true;
        self.line(&text);
        Ok(())
    }

    fn branch(
        &mut self,
        condition: Option<&Expression>,
        head: &Span,
        then: &Block,
        otherwise: Option<&Block>,
    ) -> Result<(), String> {
        let condition = condition.ok_or("this condition is not understood")?;
        let condition = match lua_call::tested(condition, &self.names, &mut self.needs)? {
            Some(lua_call::Tested {
                before,
                condition,
                relays,
                keeps,
            }) => {
                if let Some(before) = before {
                    self.note_variables(&before);
                    self.line(&before);
                }
                self.uses_hop |= relays;
                self.kept |= keeps;
                condition
            }
            None => lua_expression::condition(condition, &mut self.needs)?,
        };
        self.note_variables(&condition);
        self.tally.converted(self.sources, head);
        self.line(&format!("if {condition} then"));
        self.nested(then);
        let mut otherwise = otherwise;
        // A chain stays a chain where nothing has to be written before its next condition.
        while let Some([only]) = otherwise.map(Vec::as_slice) {
            let Step::If {
                condition: Some(next),
                head,
                then,
                otherwise: rest,
            } = &only.step
            else {
                break;
            };
            let mut needs = self.needs;
            let Ok(text) = lua_expression::condition(next, &mut needs) else {
                break;
            };
            self.needs = needs;
            self.note_variables(&text);
            self.tally.converted(self.sources, head);
            self.line(&format!("elseif {text} then"));
            self.nested(then);
            otherwise = rest.as_ref();
        }
        if let Some(block) = otherwise {
            self.line("else");
            self.nested(block);
        }
        self.line("end");
        Ok(())
    }

    fn nested(&mut self, block: &Block) {
        self.depth += 1;
        self.block(block, false);
        self.depth -= 1;
    }

    fn end(&mut self, end: End) {
        match end {
            // A relay or a capture that went before holds there, and `drop()` would undo it here.
            End::Drop if !self.kept => {
                self.line("drop()");
                self.line("do return true end");
            }
            End::Exit | End::Drop => self.line("do return true end"),
            // To return 0 is to exit.
            End::Return(Some(0)) => self.line("do return true end"),
            End::Return(_) => self.line("do return end"),
        }
    }

    /// Without a next hop that is set anywhere, `hep_relay` takes the route's own.
    fn forget_hop(&mut self) {
        const SET: &str = "next_hop = \"";
        let set = |line: &String| line.trim_start().starts_with(SET);
        if self.uses_hop && !self.lines.iter().any(set) {
            self.uses_hop = false;
            self.lines.retain(|line| line.trim() != "next_hop = nil");
            for line in &mut self.lines {
                *line = line.replace("hep_relay(next_hop)", "hep_relay()");
            }
        }
    }

    fn finish(mut self) -> Script {
        self.forget_hop();
        let name = self.sources.name(0).file_name().unwrap_or_default();
        let name = super::reader::one_line(&name.to_string_lossy());
        let mut head = vec![
            format!("{MARK} {name}; docs/routes.md says when each function runs."),
            "-- A function that returns true ends the script for the message, as exit does."
                .to_owned(),
        ];
        if self.uses_var || self.needs.matches || self.needs.text || self.uses_hop {
            head.push(String::new());
        }
        if self.uses_var {
            head.push(
                "-- $var(name) is var.name: it keeps its value from message to message.".to_owned(),
            );
            head.push("local var = {}".to_owned());
        }
        if self.uses_hop {
            head.push("-- What $du was set to, as the name of a destination.".to_owned());
            head.push("local next_hop".to_owned());
        }
        if self.needs.text {
            head.extend(TEXT.map(str::to_owned));
        }
        if self.needs.matches {
            head.extend(MATCHES.map(str::to_owned));
        }
        head.extend(self.lines);
        head.dedup_by(|line, before| line.is_empty() && before.is_empty());
        Script {
            text: head.join("\n") + "\n",
        }
    }
}

/// How a script begins that this command wrote.
pub(super) const MARK: &str = "-- Converted from";

const TEXT: [&str; 4] = [
    "",
    "local function text(value)",
    "  if value == nil then return \"<null>\" else return tostring(value) end",
    "end",
];

const MATCHES: [&str; 10] = [
    "",
    "-- =~ looks for a regular expression, whatever the case.",
    "local function matches(value, ...)",
    "  if value == nil then return false end",
    "  local lower = string.lower(tostring(value))",
    "  for _, pattern in ipairs({ ... }) do",
    "    if string.find(lower, pattern) then return true end",
    "  end",
    "  return false",
    "end",
];

/// The lines of a statement, of which the first has lost its indentation, without that of the others.
fn unindented(text: &str) -> Vec<String> {
    let spaces = |line: &str| line.len() - line.trim_start().len();
    let plain = |line: &str| {
        let line = line.replace('\t', "  ");
        let visible = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        visible.collect::<String>().trim_end().to_owned()
    };
    let lines = text.lines().map(plain).filter(|line| !line.is_empty());
    let mut lines: Vec<_> = lines.collect();
    let surplus = lines
        .iter()
        .skip(1)
        .map(|line| spaces(line))
        .min()
        .unwrap_or(0);
    for line in lines.iter_mut().skip(1) {
        *line = line.chars().skip(surplus).collect();
    }
    lines
}

/// `$du`, and the request URI, which is the next hop where `$du` is not set.
fn sets_hop(target: &str) -> bool {
    matches!(target, "du" | "ru")
}

/// The line in which a route begins.
fn head_of(span: &Span) -> Span {
    let start = span.octets.start;
    Span {
        file: span.file,
        octets: start..start + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lua_expression::is_identifier, *};

    #[test]
    fn every_name_of_a_route_is_a_function() {
        for name in ["a", "1", "my-route", "é", ""] {
            assert!(is_identifier(&local_name(name)), "{name}");
        }
    }
}

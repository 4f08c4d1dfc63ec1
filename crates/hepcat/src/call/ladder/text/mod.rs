//! A ladder as text, for a terminal or a file.
//!
//! Lanes share the width evenly; where they do not fit, or there is no room for words in an arrow, each message gets a
//! plain line instead.

mod row;
mod time;

use std::collections::HashMap;

use unicode_width::UnicodeWidthStr;

use self::{
    row::{Colour, Row, clean, fit, line},
    time::{Lapse, clock, day, millis},
};
use super::{Arrow, ArrowKind, Ladder};
use crate::call::moment::Moment;

/// Which characters lines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Art {
    /// Box drawing.
    #[default]
    Unicode,
    /// What every terminal has.
    Ascii,
}

/// What stands at the left of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Times {
    /// Time of day, UTC.
    #[default]
    Absolute,
    /// Since the first message.
    Relative,
    /// Since the message before.
    Delta,
    /// Time of day, and since the message before.
    Both,
}

/// What has a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Colours {
    /// Nothing: a file, or a terminal that wants none.
    #[default]
    None,
    /// Arrows, by their Call-ID.
    CallId,
    /// Arrows, by what they are: requests, and responses by their class.
    Kind,
}

/// How a ladder is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// Columns of the terminal. Default 100.
    pub width: usize,
    /// Its characters.
    pub art: Art,
    /// Its times.
    pub times: Times,
    /// Whether transmissions after the first are left out and counted at the first, and reports that follow each other.
    /// Default yes.
    pub collapse: bool,
    /// Its colours, in ECMA-48 sequences. Default none.
    pub colours: Colours,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            width: 100,
            art: Art::default(),
            times: Times::default(),
            collapse: true,
            colours: Colours::default(),
        }
    }
}

/// Width of a time with its mark and the space after it, and of one beside another.
const MARGIN: usize = 17;
const BESIDE: usize = 14;
/// Columns between two lanes: less, and words do not fit; more, and eyes lose the line.
const NARROWEST: usize = 16;
const WIDEST: usize = 40;

/// Characters of one art.
struct Glyphs {
    lane: char,
    line: char,
    right: char,
    left: char,
    back: char,
    more: char,
}

impl Art {
    const fn glyphs(self) -> Glyphs {
        match self {
            Self::Unicode => Glyphs {
                lane: '│',
                line: '─',
                right: '▶',
                left: '◀',
                back: '↺',
                more: '…',
            },
            Self::Ascii => Glyphs {
                lane: '|',
                line: '-',
                right: '>',
                left: '<',
                back: '@',
                more: '~',
            },
        }
    }
}

impl Text {
    /// With so many columns.
    #[must_use]
    pub const fn with_width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// In these characters.
    #[must_use]
    pub const fn with_art(mut self, art: Art) -> Self {
        self.art = art;
        self
    }

    /// With these times.
    #[must_use]
    pub const fn with_times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// With every transmission, or each message once.
    #[must_use]
    pub const fn with_collapse(mut self, collapse: bool) -> Self {
        self.collapse = collapse;
        self
    }

    /// With these colours.
    #[must_use]
    pub const fn with_colours(mut self, colours: Colours) -> Self {
        self.colours = colours;
        self
    }

    /// Columns before the lanes.
    const fn margin(&self) -> usize {
        match self.times {
            Times::Both => MARGIN + BESIDE,
            _ => MARGIN,
        }
    }

    pub(super) fn draw(&self, ladder: &Ladder) -> String {
        let mut out = String::new();
        self.legend(ladder, &mut out);
        let folded = Folded::of(ladder, self.collapse);
        let notes = self.notes(ladder, &folded);
        let longest = notes.iter().map(|notes| notes.width()).max().unwrap_or(0);
        let spacing = self.spacing(ladder.lanes.len(), longest);
        let drawing = Drawing {
            text: self,
            ladder,
            notes,
            spacing: spacing.unwrap_or(0),
            glyphs: self.art.glyphs(),
        };
        let mut today = ladder
            .arrows
            .first()
            .map(|arrow| day(arrow.at))
            .unwrap_or_default();
        if spacing.is_some() {
            drawing.heads(&today, &mut out);
        } else if !ladder.arrows.is_empty() {
            line(&mut out, &today);
        }
        let mut before = None;
        for (number, arrow) in ladder.arrows.iter().enumerate() {
            if folded.hides(number) {
                continue;
            }
            let this_day = day(arrow.at);
            if this_day != today && !arrow.adjusted {
                line(&mut out, &this_day);
                today = this_day;
            }
            let time = self.time(ladder, arrow, before);
            before = Some(arrow.at);
            if spacing.is_some() {
                drawing.arrow(number, arrow, &time, &mut out);
            } else {
                drawing.line(number, arrow, &time, &mut out);
            }
        }
        out
    }

    /// Columns between lanes; nothing where there is no room for them. Notes get at most a third of the width, and have
    /// half the space between lanes already.
    fn spacing(&self, lanes: usize, notes: usize) -> Option<usize> {
        let notes = notes.min(self.width / 3).saturating_sub(NARROWEST / 2 - 2);
        let room = self.width.checked_sub(self.margin() + notes)?;
        let spacing = room.checked_div(lanes)?.min(WIDEST);
        (lanes > 0 && spacing >= NARROWEST).then_some(spacing)
    }

    /// Of each arrow how often it was sent, who saw it, and how much later.
    fn notes(&self, ladder: &Ladder, folded: &Folded) -> Vec<String> {
        let note = |(arrow, more): (&Arrow, &usize)| {
            let mut notes = match (more, arrow.kind) {
                (0, _) => String::new(),
                (more, ArrowKind::Request | ArrowKind::Response) => {
                    format!("sent {} times", more + 1)
                }
                (more, _) => format!("and {more} more"),
            };
            let mut agents = arrow.observed.iter();
            if let (Some(first), true) = (agents.next(), arrow.observed.len() > 1) {
                let space = if notes.is_empty() { "" } else { " " };
                notes.push_str(&format!("{space}[{}", clean(&first.agent)));
                for other in agents {
                    notes.push_str(&format!(
                        ", {} {}",
                        clean(&other.agent),
                        millis(other.delay_us)
                    ));
                }
                notes.push(']');
            }
            notes
        };
        ladder.arrows.iter().zip(&folded.more).map(note).collect()
    }

    fn legend(&self, ladder: &Ladder, out: &mut String) {
        for (number, call_id) in ladder.legs.iter().enumerate() {
            let name = format!("{}: Call-ID {}", letter(number), clean(call_id));
            match self.colours {
                Colours::CallId => line(out, &leg_colour(number).of(&name)),
                _ => line(out, &name),
            }
        }
        for correction in &ladder.corrections {
            let by = Lapse(correction.correction_us);
            line(
                out,
                &format!("clock of {} corrected by {by}", clean(&correction.agent)),
            );
        }
        if !out.is_empty() {
            out.push('\n');
        }
    }

    fn time(&self, ladder: &Ladder, arrow: &Arrow, before: Option<Moment>) -> String {
        let mark = if arrow.adjusted { '*' } else { ' ' };
        let first = ladder.arrows.first().map_or(arrow.at, |first| first.at);
        let since = |moment: Moment| Lapse(arrow.at.as_micros().saturating_sub(moment.as_micros()));
        let text = match self.times {
            Times::Absolute => clock(arrow.at),
            Times::Relative => since(first).to_string(),
            Times::Delta => since(before.unwrap_or(first)).to_string(),
            Times::Both => {
                let since = since(before.unwrap_or(first)).to_string();
                format!("{} {since:>BESIDE$}", clock(arrow.at), BESIDE = BESIDE - 1)
            }
        };
        format!("{text:>width$}{mark} ", width = self.margin() - 2)
    }

    fn colour(&self, arrow: &Arrow) -> Option<Colour> {
        match (self.colours, arrow.kind, arrow.status.unwrap_or(0)) {
            (Colours::None, ..) => None,
            (Colours::CallId, ..) => arrow.leg.map(leg_colour),
            (Colours::Kind, ArrowKind::Request, _) => Some(Colour::Yellow),
            (Colours::Kind, ArrowKind::Response, 100..200) => Some(Colour::Cyan),
            (Colours::Kind, ArrowKind::Response, 200..300) => Some(Colour::Green),
            (Colours::Kind, ArrowKind::Response, 300..400) => Some(Colour::Magenta),
            (Colours::Kind, ArrowKind::Response, _) => Some(Colour::Red),
            (Colours::Kind, ..) => Some(Colour::Blue),
        }
    }
}

/// The colour of a leg; after six they come again.
fn leg_colour(leg: usize) -> Colour {
    match leg % 6 {
        0 => Colour::Cyan,
        1 => Colour::Yellow,
        2 => Colour::Green,
        3 => Colour::Magenta,
        4 => Colour::Red,
        _ => Colour::Blue,
    }
}

/// Arrows that are shown by another one.
struct Folded {
    hidden: Vec<bool>,
    /// How many each one stands for beside itself.
    more: Vec<usize>,
}

impl Folded {
    /// Transmissions after the first, and reports of one direction between two SIP messages.
    fn of(ladder: &Ladder, collapse: bool) -> Self {
        let mut folded = Self {
            hidden: vec![false; ladder.arrows.len()],
            more: vec![0; ladder.arrows.len()],
        };
        if !collapse {
            return folded;
        }
        let mut run: HashMap<(usize, usize), usize> = HashMap::new();
        for (number, arrow) in ladder.arrows.iter().enumerate() {
            if arrow.kind != ArrowKind::Report {
                run.clear();
                if let Some(first) = arrow.again_of {
                    folded.fold(number, first);
                }
                continue;
            }
            let first = *run.entry((arrow.from, arrow.to)).or_insert(number);
            if first != number {
                folded.fold(number, first);
            }
        }
        folded
    }

    fn fold(&mut self, number: usize, first: usize) {
        if let (Some(hidden), Some(more)) = (self.hidden.get_mut(number), self.more.get_mut(first))
        {
            *hidden = true;
            *more += 1;
        }
    }

    fn hides(&self, number: usize) -> bool {
        self.hidden.get(number).copied().unwrap_or(false)
    }
}

struct Drawing<'d> {
    text: &'d Text,
    ladder: &'d Ladder,
    notes: Vec<String>,
    spacing: usize,
    glyphs: Glyphs,
}

impl Drawing<'_> {
    /// Column of a lane, from the end of the margin.
    fn column(&self, lane: usize) -> usize {
        self.spacing / 2 + lane * self.spacing
    }

    fn heads(&self, today: &str, out: &mut String) {
        let mut row = Row::new(self.ladder.lanes.len() * self.spacing);
        for (number, lane) in self.ladder.lanes.iter().enumerate() {
            let label = fit(&lane.label(), self.spacing - 1, self.glyphs.more);
            row.centre(self.column(number), &label);
        }
        let margin = self.text.margin();
        line(out, &format!("{today:margin$}{}", row.text()));
        line(out, &format!("{:margin$}{}", "", self.lanes().text()));
    }

    /// The lanes with nothing between them.
    fn lanes(&self) -> Row {
        let mut row = Row::new(self.ladder.lanes.len() * self.spacing);
        for lane in 0..self.ladder.lanes.len() {
            row.put(self.column(lane), self.glyphs.lane);
        }
        row
    }

    fn arrow(&self, number: usize, arrow: &Arrow, time: &str, out: &mut String) {
        let label = self.label(arrow);
        let notes = self.notes.get(number).map_or("", String::as_str);
        let (from, to) = (self.column(arrow.from), self.column(arrow.to));
        let mut row = self.lanes();
        if from == to {
            row.write(from + 1, &format!("{} {label}", self.glyphs.back));
            let end = from + 1 + 2 + label.width();
            return self.finish(row, (from + 1, end, arrow), time, notes, out);
        }
        let (low, high) = (from.min(to), from.max(to));
        let inside = high - low - 1;
        for column in low + 1..high {
            row.put(column, self.glyphs.line);
        }
        if from < to {
            row.put(high - 1, self.glyphs.right);
        } else {
            row.put(low + 1, self.glyphs.left);
        }
        // One line on each side, the head, and a space on each side of the words.
        let label = fit(&label, inside.saturating_sub(5), self.glyphs.more);
        let middle = low + 1 + inside / 2;
        row.centre(middle, &format!(" {label} "));
        self.finish(row, (low + 1, high, arrow), time, notes, out);
        if let Some(session) = self.session(arrow) {
            let mut row = self.lanes();
            row.centre(
                middle,
                &fit(&session, inside.saturating_sub(2), self.glyphs.more),
            );
            let nothing = format!("{:margin$}", "", margin = self.text.margin());
            self.finish(row, (low + 1, high, arrow), &nothing, "", out);
        }
    }

    /// Writes a row with what stands beside it. `painted` are the columns of `arrow` in it.
    fn finish(
        &self,
        mut row: Row,
        painted: (usize, usize, &Arrow),
        time: &str,
        notes: &str,
        out: &mut String,
    ) {
        let used = self.text.margin() + row.used();
        if let Some(colour) = self.text.colour(painted.2) {
            row.paint(painted.0, painted.1, colour);
        }
        let drawn = row.text();
        let drawn = drawn.trim_end();
        let room = self.text.width.saturating_sub(used);
        let notes = if notes.is_empty() {
            String::new()
        } else {
            fit(&format!("  {notes}"), room, self.glyphs.more)
        };
        line(out, &format!("{time}{drawn}{notes}"));
    }

    /// One message where there is no room for lanes.
    fn line(&self, number: usize, arrow: &Arrow, time: &str, out: &mut String) {
        let lane = |lane: usize| {
            self.ladder
                .lanes
                .get(lane)
                .map(super::Lane::label)
                .unwrap_or_default()
        };
        let head = self.glyphs.right;
        let notes = self.notes.get(number).map_or("", String::as_str);
        let text = format!(
            "{time}{} {head} {}  {}  {notes}",
            lane(arrow.from),
            lane(arrow.to),
            self.label(arrow)
        );
        let cut = fit(&text, self.text.width, self.glyphs.more);
        match self.text.colour(arrow) {
            Some(colour) => line(out, &colour.of(cut.trim_end())),
            None => line(out, &cut),
        }
        if let Some(session) = self.session(arrow) {
            let session = format!("{:margin$}{session}", "", margin = self.text.margin());
            line(out, &fit(&session, self.text.width, self.glyphs.more));
        }
    }

    fn label(&self, arrow: &Arrow) -> String {
        let words = clean(&arrow.label);
        let again = if arrow.again_of.is_some() {
            " (again)"
        } else {
            ""
        };
        match arrow.leg {
            Some(leg) if self.ladder.legs.len() > 1 => format!("{} {words}{again}", letter(leg)),
            _ => format!("{words}{again}"),
        }
    }

    fn session(&self, arrow: &Arrow) -> Option<String> {
        let session = arrow
            .session
            .as_ref()
            .filter(|_| arrow.kind != ArrowKind::Log)?;
        let codecs: Vec<String> = session
            .codecs
            .iter()
            .take(4)
            .map(|codec| clean(codec))
            .collect();
        let address = session
            .address
            .map(|address| format!("{address} "))
            .unwrap_or_default();
        let direction = match (session.hold, session.direction) {
            (true, _) => " hold",
            (false, "sendrecv") => "",
            (false, "recvonly") => " recvonly",
            (false, direction) => direction,
        };
        Some(format!("{address}{}{direction}", codecs.join(" ")))
    }
}

/// What a leg is called in the diagram: `a`, `b`, ..., `z`, `a1`, ...
pub(crate) fn letter(number: usize) -> String {
    let letter = u8::try_from(number % 26).map_or('?', |number| char::from(b'a' + number));
    match number / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

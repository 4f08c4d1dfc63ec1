//! A ladder as text, for a terminal or a file.
//!
//! Lanes share the width evenly; where they do not fit, or there is no room for words in an arrow, each message gets a
//! plain line instead.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
    /// Whether transmissions after the first are left out and counted at the first. Default yes.
    pub collapse: bool,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            width: 100,
            art: Art::default(),
            times: Times::default(),
            collapse: true,
        }
    }
}

/// Width of the times with the space after them.
const MARGIN: usize = 17;
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

    pub(super) fn draw(&self, ladder: &Ladder) -> String {
        let mut out = String::new();
        self.legend(ladder, &mut out);
        let notes = self.notes(ladder);
        let longest = notes.iter().map(|notes| notes.width()).max().unwrap_or(0);
        let spacing = self.spacing(ladder.lanes.len(), longest);
        let drawing = Drawing {
            text: self,
            ladder,
            notes,
            spacing: spacing.unwrap_or(0),
            glyphs: self.art.glyphs(),
        };
        if spacing.is_some() {
            drawing.heads(&mut out);
        }
        let mut before = None;
        for (number, arrow) in ladder.arrows.iter().enumerate() {
            if self.collapse && arrow.again_of.is_some() {
                continue;
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
        let room = self.width.checked_sub(MARGIN + notes)?;
        let spacing = room.checked_div(lanes)?.min(WIDEST);
        (lanes > 0 && spacing >= NARROWEST).then_some(spacing)
    }

    /// Of each arrow how often it was sent, who saw it, and how much later.
    fn notes(&self, ladder: &Ladder) -> Vec<String> {
        let mut again = vec![0_usize; ladder.arrows.len()];
        for first in ladder.arrows.iter().filter_map(|arrow| arrow.again_of) {
            if let Some(count) = again.get_mut(first) {
                *count += 1;
            }
        }
        let note = |(arrow, again): (&Arrow, usize)| {
            let mut notes = String::new();
            if self.collapse && again > 0 {
                notes = format!("sent {} times", again + 1);
            }
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
        ladder.arrows.iter().zip(again).map(note).collect()
    }

    fn legend(&self, ladder: &Ladder, out: &mut String) {
        for (number, call_id) in ladder.legs.iter().enumerate() {
            line(
                out,
                &format!("{}: Call-ID {}", letter(number), clean(call_id)),
            );
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
        };
        format!("{text:>width$}{mark} ", width = MARGIN - 2)
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

    fn heads(&self, out: &mut String) {
        let mut row = Row::new(self.ladder.lanes.len() * self.spacing);
        for (number, lane) in self.ladder.lanes.iter().enumerate() {
            let label = fit(&lane.label(), self.spacing - 1, self.glyphs.more);
            row.centre(self.column(number), &label);
        }
        line(out, &format!("{:MARGIN$}{}", "", row.text()));
        line(out, &format!("{:MARGIN$}{}", "", self.lanes().text()));
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
            return self.finish(row, time, notes, out);
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
        self.finish(row, time, notes, out);
        if let Some(session) = self.session(arrow) {
            let mut row = self.lanes();
            row.centre(
                middle,
                &fit(&session, inside.saturating_sub(2), self.glyphs.more),
            );
            self.finish(row, &format!("{:MARGIN$}", ""), "", out);
        }
    }

    fn finish(&self, row: Row, time: &str, notes: &str, out: &mut String) {
        let drawn = row.text();
        let drawn = if notes.is_empty() {
            drawn
        } else {
            drawn.trim_end().to_owned()
        };
        let notes = if notes.is_empty() {
            String::new()
        } else {
            format!("  {notes}")
        };
        let used = MARGIN + drawn.width();
        let notes = fit(
            &notes,
            self.text.width.saturating_sub(used),
            self.glyphs.more,
        );
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
        line(out, &fit(&text, self.text.width, self.glyphs.more));
        if let Some(session) = self.session(arrow) {
            line(
                out,
                &fit(
                    &format!("{:MARGIN$}{session}", ""),
                    self.text.width,
                    self.glyphs.more,
                ),
            );
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

/// A line of characters, one column each.
struct Row {
    cells: Vec<char>,
}

impl Row {
    fn new(width: usize) -> Self {
        Self {
            cells: vec![' '; width],
        }
    }

    fn put(&mut self, column: usize, glyph: char) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = glyph;
        }
    }

    /// Writes `text` from `column` on. A wide character takes two cells, of which the second is marked to be left out.
    fn write(&mut self, column: usize, text: &str) {
        let mut at = column;
        for glyph in text.chars() {
            let width = glyph.width().unwrap_or(0);
            if width == 0 || at + width > self.cells.len() {
                continue;
            }
            self.put(at, glyph);
            if width == 2 {
                self.put(at + 1, '\0');
            }
            at += width;
        }
    }

    fn centre(&mut self, column: usize, text: &str) {
        self.write(column.saturating_sub(text.width() / 2), text);
    }

    fn text(self) -> String {
        self.cells
            .into_iter()
            .filter(|glyph| *glyph != '\0')
            .collect()
    }
}

/// Ends a line, without space at its end.
fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// `text`, cut to `width` columns with a mark where it was longer.
fn fit(text: &str, width: usize, more: char) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for glyph in text.chars() {
        used += glyph.width().unwrap_or(0);
        if used >= width {
            break;
        }
        cut.push(glyph);
    }
    if width > 0 {
        cut.push(more);
    }
    cut
}

/// SIP is somebody else's text: what would move the cursor or turn the line around is shown as a dot.
fn clean(text: &str) -> String {
    let is_harmful = |glyph: char| {
        glyph.is_control()
            || matches!(glyph, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .map(|glyph| if is_harmful(glyph) { '.' } else { glyph })
        .collect()
}

/// `a`, `b`, ..., `z`, `a1`, ...
fn letter(number: usize) -> String {
    let letter = u8::try_from(number % 26).map_or('?', |number| char::from(b'a' + number));
    match number / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// Time of day, UTC.
fn clock(at: Moment) -> String {
    let micros = at.as_micros();
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let of_day = seconds.rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}.{rest:06}",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Microseconds as `+1.5 ms`.
fn millis(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let tenths = micros.unsigned_abs() / 100;
    format!("{sign}{}.{} ms", tenths / 10, tenths % 10)
}

/// Microseconds as `+0.020000`.
struct Lapse(i64);

impl std::fmt::Display for Lapse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

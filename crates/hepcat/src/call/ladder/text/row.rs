//! Lines of text made of columns, and what may stand in them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A colour that every terminal has, by its number in ECMA-48 (30 to 37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

/// Ends a colour.
const END: &str = "\x1b[0m";

impl Colour {
    const fn begin(self) -> &'static str {
        match self {
            Self::Red => "\x1b[31m",
            Self::Green => "\x1b[32m",
            Self::Yellow => "\x1b[33m",
            Self::Blue => "\x1b[34m",
            Self::Magenta => "\x1b[35m",
            Self::Cyan => "\x1b[36m",
        }
    }

    /// `text` in it.
    pub(super) fn of(self, text: &str) -> String {
        format!("{}{text}{END}", self.begin())
    }
}

/// A line of characters, one column each.
pub(super) struct Row {
    cells: Vec<char>,
    /// First column, the one after the last, and the colour of what is between.
    painted: Option<(usize, usize, Colour)>,
}

impl Row {
    pub(super) fn new(width: usize) -> Self {
        Self {
            cells: vec![' '; width],
            painted: None,
        }
    }

    pub(super) fn put(&mut self, column: usize, glyph: char) {
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = glyph;
        }
    }

    /// Writes `text` from `column` on. A wide character takes two cells, of which the second is marked to be left out.
    pub(super) fn write(&mut self, column: usize, text: &str) {
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

    pub(super) fn centre(&mut self, column: usize, text: &str) {
        self.write(column.saturating_sub(text.width() / 2), text);
    }

    /// Has what stands from `low` to before `high` shown in `colour`.
    pub(super) fn paint(&mut self, low: usize, high: usize, colour: Colour) {
        self.painted = Some((low, high, colour));
    }

    /// Columns without the space at the end.
    pub(super) fn used(&self) -> usize {
        let last = self.cells.iter().rposition(|glyph| *glyph != ' ');
        last.map_or(0, |last| last + 1)
    }

    pub(super) fn text(self) -> String {
        let mut text = String::with_capacity(self.cells.len() + 16);
        let mut is_painting = false;
        for (column, glyph) in self.cells.into_iter().enumerate() {
            if let Some((low, high, colour)) = self.painted {
                if is_painting && column >= high {
                    text.push_str(END);
                    is_painting = false;
                } else if !is_painting && column == low && low < high {
                    text.push_str(colour.begin());
                    is_painting = true;
                }
            }
            if glyph != '\0' {
                text.push(glyph);
            }
        }
        if is_painting {
            text.push_str(END);
        }
        text
    }
}

/// Ends a line, without space at its end.
pub(super) fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// `text`, cut to `width` columns with a mark where it was longer.
pub(super) fn fit(text: &str, width: usize, more: char) -> String {
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
pub(super) fn clean(text: &str) -> String {
    let is_harmful = |glyph: char| {
        glyph.is_control()
            || matches!(glyph, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .map(|glyph| if is_harmful(glyph) { '.' } else { glyph })
        .collect()
}

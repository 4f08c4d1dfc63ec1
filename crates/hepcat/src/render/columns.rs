//! Rows of text laid out in columns.

use super::text::acts;

/// Lays rows out in columns, two spaces between them, nothing at the end of a line. Characters that act instead of
/// being seen, which names and errors of others might hold, are replaced.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    Table::default().render(rows)
}

/// A table that is printed in parts: a column never gets narrower than it was.
#[derive(Debug, Default)]
pub(crate) struct Table {
    widths: Vec<usize>,
}

impl Table {
    /// The next rows, laid out as [`render`] does.
    pub(crate) fn render(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&self.widths) {
                let printable = cell.chars().map(|c| match c {
                    c if acts(c) => char::REPLACEMENT_CHARACTER,
                    c => c,
                });
                line.extend(printable);
                line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let rows = [vec!["A", "LONGER"], vec!["wider", "x"], vec!["\u{1b}", ""]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(render(&rows), "A      LONGER\nwider  x\n\u{fffd}\n");
    }

    #[test]
    fn parts_of_a_table_stand_in_the_same_columns() {
        let row = |cells: [&str; 2]| vec![cells.map(str::to_owned).into()];
        let mut table = Table::default();
        assert_eq!(table.render(&row(["wider", "x"])), "wider  x\n");
        assert_eq!(table.render(&row(["a", "y"])), "a      y\n");
    }
}

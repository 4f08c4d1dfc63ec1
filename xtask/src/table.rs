//! Columns of text.

use std::fmt::Display;

/// Lays rows out in columns; the first row is the head, the first column stands left and all others right.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            out += &rules.join("  ");
            out.push('\n');
        }
    }
    out
}

/// A row from anything that can be written.
pub(crate) fn row(cells: &[&dyn Display]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            row(&[&"suite", &"passed"]),
            row(&[&"fmt", &1]),
            row(&[&"clippy", &12]),
        ];
        let expected = "suite   passed\n------  ------\nfmt          1\nclippy      12\n";
        assert_eq!(render(&rows), expected);
    }
}

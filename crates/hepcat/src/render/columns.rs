//! Rows of text laid out in columns.

/// Lays rows out in columns, two spaces between them, nothing at the end of a line. Control characters, which
/// names and errors of others might hold, are replaced.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let printable = cell.chars().map(|c| match c {
                c if c.is_control() => char::REPLACEMENT_CHARACTER,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_trail() {
        let rows = [vec!["A", "LONGER"], vec!["wider", "x"], vec!["\u{1b}", ""]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(render(&rows), "A      LONGER\nwider  x\n\u{fffd}\n");
    }
}

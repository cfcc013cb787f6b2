//! What commands say on stdout.

use std::io::{ErrorKind, Write};

use crate::error::{Error, Result};

/// Prints text to stdout. A reader that has gone, such as `head`, has read enough.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::internal(format!("stdout cannot be written to: {error}"))),
        _ => Ok(()),
    }
}

/// Rows under a heading, each column as wide as it needs; the last is not padded. Indented.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: String = cells.zip(&widths).map(|(cell, &width)| format!("  {cell:width$}")).collect();
        format!("{}\n", padded.trim_end())
    };
    let mut text = line(&mut heading.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

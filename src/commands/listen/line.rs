//! Answers as lines: for a person, aligned and coloured, or JSON for a program.

use std::collections::HashMap;

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::macros::format_description;
use unicode_width::UnicodeWidthChar;

use super::wanted::Subscribed;
use crate::catalog::{Catalog, Table};
use crate::change::{Change, Image, Op};
use crate::cursor::Cursor;
use crate::http::encode;
use crate::hub::{Answer, Told};

/// How wide a key's column grows at most.
const WIDEST_KEY: usize = 24;

const PLAIN: Style = Style::new();
const FAINT: Style = Style::new().dimmed();

/// Makes lines of answers.
pub enum Lines {
    Json,
    Person(Person),
}

/// What the alignment and the colours depend on.
pub struct Person {
    coloured: bool,
    table_width: usize,
    /// That of the widest key so far.
    key_width: usize,
}

/// A piece of a line, and how it looks.
type Piece = (Style, String);

impl Lines {
    pub fn json() -> Lines {
        Lines::Json
    }

    /// In colours where the terminal has them and NO_COLOR does not forbid them.
    pub fn for_a_person(subscribed: &[Subscribed]) -> Lines {
        let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        let table_width = subscribed.iter().map(|one| width(&one.table)).max().unwrap_or(0);
        Lines::Person(Person { coloured, table_width, key_width: 1 })
    }

    /// All lines of one answer. `before` is the cursor that it was asked with.
    pub fn of(&mut self, answer: &Answer, before: &Cursor, catalog: &Catalog) -> String {
        match self {
            Lines::Json => json(answer, before),
            Lines::Person(person) => person.lines(answer, catalog),
        }
    }
}

/// An answer is whole only when all of its lines have been read, so that only the last carries the new cursor: whoever goes
/// on from another is told some changes twice, and none not at all.
fn json(answer: &Answer, before: &Cursor) -> String {
    let mut objects = Vec::new();
    for one in &answer.answers {
        let table = Value::from(&*one.id);
        match &one.told {
            Told::Reset => objects.push(format!("{{\"table\":{table},\"reset\":true")),
            Told::Changes(changes) => objects.extend(changes.iter().map(|(change, leaves)| {
                let change = encode::change(change, *leaves);
                format!("{{\"table\":{table},{}", &change[1..change.len() - 1])
            })),
        }
    }
    let last = objects.len().saturating_sub(1);
    let (before, after) = (before.to_string(), answer.cursor.to_string());
    let line = |(place, object): (usize, String)| {
        // JSON has line breaks between its parts alone, where a column of the type json was written with them.
        let object = object.replace(['\n', '\r'], " ");
        format!("{object},\"cursor\":\"{}\"}}\n", if place == last { &after } else { &before })
    };
    objects.into_iter().enumerate().map(line).collect()
}

impl Person {
    fn lines(&mut self, answer: &Answer, catalog: &Catalog) -> String {
        let limit = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)).filter(|&width| width > 0);
        let mut lines = String::new();
        for one in &answer.answers {
            match &one.told {
                Told::Reset => {
                    let mut pieces = self.head(&now(), &one.id, ("reset", AnsiColor::Magenta));
                    pieces.push((PLAIN, "more happened than can be told row by row: read the table anew".to_owned()));
                    self.push(&mut lines, &pieces, limit);
                }
                Told::Changes(changes) => {
                    for (change, leaves) in changes {
                        let pieces = self.change(&one.id, change, *leaves, catalog.table(&one.id).map(AsRef::as_ref));
                        self.push(&mut lines, &pieces, limit);
                    }
                }
            }
        }
        lines
    }

    fn head(&self, time: &str, table: &str, (word, colour): (&str, AnsiColor)) -> Vec<Piece> {
        let padding = " ".repeat(self.table_width.saturating_sub(width(table)));
        vec![(FAINT, format!("{time:12}  ")), (PLAIN, format!("{}{padding}  ", shown(table))), (colour.on_default(), format!("{word:6}  "))]
    }

    fn change(&mut self, name: &str, change: &Change, leaves: bool, table: Option<&Table>) -> Vec<Piece> {
        let word = match change.op {
            _ if leaves => ("leaves", AnsiColor::Red),
            Op::Insert => ("insert", AnsiColor::Green),
            Op::Update => ("update", AnsiColor::Yellow),
            Op::Delete => ("delete", AnsiColor::Red),
        };
        let mut pieces = self.head(&time_of(change.mtime.get()), name, word);
        let key = change.key.get();
        let key = shown(key.strip_prefix('[').and_then(|key| key.strip_suffix(']')).unwrap_or(key));
        let key = if key == "null" { "-".to_owned() } else { key };
        self.key_width = self.key_width.max(width(&key)).min(WIDEST_KEY);
        let padding = " ".repeat(self.key_width.saturating_sub(width(&key)));
        pieces.push((Style::new().bold(), format!("{key}{padding}")));
        pieces.extend(columns(change, table));
        pieces
    }

    /// Adds a line, cut to the terminal's width.
    fn push(&self, lines: &mut String, pieces: &[Piece], limit: Option<usize>) {
        let all: usize = pieces.iter().map(|(_, text)| width(text)).sum();
        let cut = limit.is_some_and(|limit| all > limit);
        // Room for the mark that says so.
        let mut room = if cut { limit.unwrap_or(0).saturating_sub(1) } else { all };
        for (style, text) in pieces {
            let fits: String = text
                .chars()
                .take_while(|&letter| {
                    let needed = letter.width().unwrap_or(0);
                    let fits = needed <= room;
                    room = if fits { room - needed } else { 0 };
                    fits
                })
                .collect();
            if self.coloured && *style != PLAIN && !fits.is_empty() {
                lines.push_str(&format!("{style}{fits}{style:#}"));
            } else {
                lines.push_str(&fits);
            }
        }
        lines.truncate(lines.trim_end_matches(' ').len());
        lines.push_str(if cut { "…\n" } else { "\n" });
    }
}

/// What there is to see of a change besides its key: of an update what it changed, else the row.
fn columns(change: &Change, table: Option<&Table>) -> Vec<Piece> {
    let of = |image: &Option<Image>| -> HashMap<String, String> {
        let columns = image.as_ref().map(Image::columns).unwrap_or_default();
        columns.into_iter().map(|(name, value): (_, &RawValue)| (name.into_owned(), shown(value.get()))).collect()
    };
    let (old, new) = (of(&change.old), of(&change.new));
    let mut names: Vec<&str> = match table {
        Some(table) => table.columns.iter().map(|column| column.name.as_str()).collect(),
        None => Vec::new(),
    };
    // The table has got another shape since.
    let mut others: Vec<&str> = old.keys().chain(new.keys()).map(String::as_str).filter(|name| !names.contains(name)).collect();
    others.sort_unstable();
    others.dedup();
    names.extend(others);
    let is_key = |name: &str| table.is_some_and(|table| table.key_columns().any(|column| column.name == name));
    let mut pieces = Vec::new();
    for name in names.into_iter().filter(|&name| name != "mtime" && !is_key(name)) {
        let text = match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) if before == after => continue,
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (None, Some(value)) | (Some(value), None) => value.clone(),
            (None, None) => continue,
        };
        pieces.push((FAINT, format!("  {}=", shown(name))));
        pieces.push((PLAIN, text));
    }
    pieces
}

/// The time of day in UTC, to the millisecond, of a JSON string in ISO 8601.
fn time_of(mtime: &str) -> String {
    let clock = mtime.trim_matches('"').split('T').nth(1).unwrap_or_default();
    let clock = clock.split(['+', '-', 'Z']).next().unwrap_or_default();
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    format!("{seconds}.{:0<3.3}", fraction)
}

fn now() -> String {
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
    OffsetDateTime::now_utc().format(format).unwrap_or_default()
}

/// Text that a terminal shows and does not obey: whoever may write to a table must not move its reader's cursor, nor turn
/// around what is read.
fn shown(text: &str) -> String {
    let obeyed =
        |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    text.chars()
        .map(|letter| {
            if matches!(letter, '\n' | '\r' | '\t') {
                ' '
            } else if obeyed(letter) {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

fn width(text: &str) -> usize {
    text.chars().map(|letter| letter.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests;

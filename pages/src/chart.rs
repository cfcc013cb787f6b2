//! A small chart of the last minutes, drawn in SVG, with its number now and its bounds as text beside it.
//!
//! The policy against inline styles leaves attributes to SVG, so what a chart looks like is in `static/css/figures.css`, and
//! its shape in the markup.

use std::fmt::Write;

use maud::{Markup, html};

/// What a chart's values are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    PerSecond,
    Seconds,
    Bytes,
}

/// One number over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// A name for the markup, unique on its page.
    pub id: &'static str,
    pub title: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    pub unit: Unit,
    /// The value of this moment.
    pub now: f64,
    /// The values of the last minutes, the oldest first; no more than [`Chart::SLOTS`] are drawn.
    pub values: Vec<f64>,
    /// What it can be at most, if there is a limit.
    pub limit: Option<f64>,
}

/// The drawing's own units.
const WIDTH: f64 = 180.0;
const HEIGHT: f64 = 40.0;

impl Chart {
    /// How many values a chart has room for.
    pub const SLOTS: usize = 180;

    pub(crate) fn markup(&self) -> Markup {
        let values = &self.values[self.values.len().saturating_sub(Chart::SLOTS)..];
        let least = values.iter().copied().reduce(f64::min);
        let most = values.iter().copied().reduce(f64::max);
        let bounds = match (least, most) {
            (Some(least), Some(most)) => format!("From {} to {}.", self.unit.shown(least), self.unit.shown(most)),
            _ => "Nothing measured yet.".to_owned(),
        };
        let now = self.unit.shown(self.now);
        html! {
            section.chart aria-labelledby={ (self.id) "-title" } {
                h3 id={ (self.id) "-title" } { (self.title) }
                p.now { (now) @if let Some(limit) = self.limit { " " small { "of " (self.unit.shown(limit)) } } }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-labelledby={ (self.id) "-title " (self.id) "-bounds" } {
                    // With their ends: in SVG the HTML parser takes an open path's followers for its children.
                    path.ground d={ "M0 " (HEIGHT) "H" (WIDTH) } {}
                    @if let Some((line, area)) = shape(values, most.unwrap_or_default()) {
                        path.area d=(area) {}
                        path.line d=(line) {}
                    }
                }
                p.bounds id={ (self.id) "-bounds" } { (bounds) }
                p.about { (self.about) }
            }
        }
    }
}

impl Unit {
    /// A value for a person.
    pub fn shown(self, value: f64) -> String {
        match self {
            Unit::Count => format!("{value:.0}"),
            Unit::PerSecond if value == 0.0 || value >= 10.0 => format!("{value:.0}/s"),
            Unit::PerSecond => format!("{value:.1}/s"),
            Unit::Seconds if value == 0.0 => "0 ms".to_owned(),
            Unit::Seconds if value < 0.01 => format!("{:.1} ms", value * 1_000.0),
            Unit::Seconds if value < 1.0 => format!("{:.0} ms", value * 1_000.0),
            Unit::Seconds => format!("{value:.1} s"),
            Unit::Bytes if value < 10_240.0 => format!("{value:.0} bytes"),
            Unit::Bytes if value < 10_485_760.0 => format!("{:.0} kB", value / 1_024.0),
            Unit::Bytes => format!("{:.0} MB", value / 1_048_576.0),
        }
    }
}

/// The line and the area under it; the newest value is at the right edge, and `most` at the top. None for less than two
/// values, which are no line.
fn shape(values: &[f64], most: f64) -> Option<(String, String)> {
    let (first, rest) = values.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let scale = if most > 0.0 { (HEIGHT - 2.0) / most } else { 0.0 };
    let step = WIDTH / (Chart::SLOTS - 1) as f64;
    let left = WIDTH - rest.len() as f64 * step;
    let height = |value: &f64| HEIGHT - 1.0 - value * scale;
    let mut line = format!("M{left:.1} {:.1}", height(first));
    for (place, value) in rest.iter().enumerate() {
        _ = write!(line, "L{:.1} {:.1}", left + (place + 1) as f64 * step, height(value));
    }
    let area = format!("{line}V{HEIGHT}H{left:.1}Z");
    Some((line, area))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: Vec<f64>) -> String {
        let chart = Chart { id: "x", title: "X", about: "", unit: Unit::Count, now: 3.0, values, limit: Some(8.0) };
        chart.markup().into_string()
    }

    #[test]
    fn the_newest_value_is_at_the_right_edge_and_the_highest_at_the_top() {
        let html = chart(vec![0.0, 4.0, 2.0]);
        assert!(html.contains("d=\"M178.0 39.0L179.0 1.0L180.0 20.0\""), "{html}");
        assert!(html.contains("From 0 to 4."), "{html}");
        assert!(html.contains("<p class=\"now\">3 <small>of 8</small></p>"), "{html}");
    }

    #[test]
    fn every_path_is_closed() {
        let html = chart(vec![1.0, 2.0]);
        assert_eq!((html.matches("<path").count(), html.matches("></path>").count()), (3, 3), "{html}");
    }

    #[test]
    fn what_is_no_line_is_told_in_words() {
        assert!(chart(vec![]).contains("Nothing measured yet.") && !chart(vec![]).contains("class=\"line\""));
        assert!(!chart(vec![1.0]).contains("class=\"line\""));
        assert!(chart(vec![0.0, 0.0]).contains("M179.0 39.0L180.0 39.0"), "all zero is a line along the ground");
    }

    #[test]
    fn more_than_there_is_room_for_is_left_out() {
        let html = chart((0..500).map(f64::from).collect());
        assert!(html.contains("\"M0.0 "), "{html}");
        assert_eq!(html.split("class=\"line\"").nth(1).unwrap().matches('L').count(), Chart::SLOTS - 1);
    }

    #[test]
    fn numbers_are_short() {
        for (unit, value, shown) in [
            (Unit::Seconds, 0.00042, "0.4 ms"),
            (Unit::Seconds, 0.25, "250 ms"),
            (Unit::Seconds, 12.34, "12.3 s"),
            (Unit::PerSecond, 0.25, "0.2/s"),
            (Unit::PerSecond, 1_234.5, "1234/s"),
            (Unit::Bytes, 81_920.0, "80 kB"),
            (Unit::Bytes, 2_000_000_000.0, "1907 MB"),
        ] {
            assert_eq!(unit.shown(value), shown);
        }
    }
}

//! `/status`: for a person what `/metrics` and `/readyz` are for machines.
//!
//! The page follows by rowcast's own poll: it subscribes to [`FEED`](crate::metrics::FEED), is told a reset every two seconds
//! while it does, and, as after any reset, reads anew: `/status/figures`.

use std::time::{Duration, Instant};

use hyper::header::{CACHE_CONTROL, HeaderValue};
use rowcast_pages::{Chart, FiguresPage, Markup, Unit, status_page};

use super::health::Health;
use super::route::Route;
use super::{App, Response, full};
use crate::metrics::{EVERY, Sample};

/// The whole page.
pub fn page(app: &App) -> Response {
    html(status_page(&look(app)))
}

/// What of it changes.
pub fn figures(app: &App) -> Response {
    html(rowcast_pages::figures(&look(app)))
}

fn html(markup: Markup) -> Response {
    let mut response = full(200, "text/html; charset=utf-8", markup.into_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn look(app: &App) -> FiguresPage {
    let health = Health::known(app);
    let counts = &app.vitals.counts;
    let tables = app.config.expose.keys().map(|name| (name.clone(), counts.of_table(name).into()));
    let routes = Route::ALL.iter().map(|&route| (route.pattern(), app.metrics.http.of_route(route)));
    let errors = app.metrics.http.errors().map(|(kind, count)| (kind.title(), count));
    FiguresPage {
        problems: health.problems().cloned().collect(),
        facts: facts(app, &health),
        charts: charts(app),
        tables: tables.collect(),
        routes: routes.filter(|(_, counts)| counts[0] > 0).collect(),
        errors: errors.filter(|(_, count)| *count > 0).collect(),
    }
}

fn facts(app: &App, health: &Health) -> Vec<(&'static str, String)> {
    let ago = |since: Option<Instant>| {
        since.map_or("never".to_owned(), |since| format!("{} ago", Unit::Seconds.shown(since.elapsed().as_secs_f64())))
    };
    vec![
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Running for", duration(app.metrics.started().elapsed())),
        ("Schema", health.schema.map_or("unknown".to_owned(), |version| format!("version {version}"))),
        ("Database answered", ago(health.answered)),
        ("Log read", ago(health.last_read)),
        ("Client connections", app.metrics.connections().to_string()),
    ]
}

/// What a person looks at first.
fn charts(app: &App) -> Vec<Chart> {
    let (limits, minutes) = (app.config.limits, Minutes { kept: app.metrics.samples(), now: app.metrics.sample() });
    let chart = |id, title, about, unit, (now, values), limit| Chart { id, title, about, unit, now, values, limit };
    let mut charts = vec![
        chart(
            "parked",
            "Parked polls",
            "Polls and event streams that wait for news.",
            Unit::Count,
            minutes.level(|sample| sample.parked as f64),
            Some(limits.polls as f64),
        ),
        chart(
            "deliveries",
            "Deliveries",
            "Answers that told a poll of news.",
            Unit::PerSecond,
            minutes.rate(|sample| sample.deliveries),
            None,
        ),
        chart(
            "delay",
            "Longest delay",
            "From a transaction’s last change to its publishing.",
            Unit::Seconds,
            minutes.longest_delay(),
            None,
        ),
        chart(
            "log",
            "Change log",
            "Its size in the database, with its index.",
            Unit::Bytes,
            minutes.level(|sample| sample.log_bytes as f64),
            None,
        ),
        chart(
            "pool",
            "Pool",
            "Connections to the database that requests are using.",
            Unit::Count,
            minutes.level(|sample| sample.busy as f64),
            Some(f64::from(limits.pool_connections)),
        ),
        chart("requests-rate", "Requests", "Requests that were answered.", Unit::PerSecond, minutes.rate(|sample| sample.requests), None),
        chart("errors-rate", "Problems", "Requests that were told a problem.", Unit::PerSecond, minutes.rate(|sample| sample.errors), None),
    ];
    if minutes.now.memory.is_some() {
        let memory = minutes.level(|sample| sample.memory.unwrap_or_default() as f64);
        charts.push(chart("memory", "Memory", "What the server’s process has in RAM.", Unit::Bytes, memory, None));
    }
    charts
}

/// The samples that were kept, and one of this moment.
struct Minutes {
    kept: Vec<Sample>,
    now: Sample,
}

impl Minutes {
    /// A number now, and as it was.
    fn level(&self, of: fn(&Sample) -> f64) -> (f64, Vec<f64>) {
        (of(&self.now), self.kept.iter().map(of).collect())
    }

    /// The longest delay of late: since the last sample, which may have been taken just now, or the one before.
    fn longest_delay(&self) -> (f64, Vec<f64>) {
        let (now, kept) = self.level(|sample| sample.delay.as_secs_f64());
        (kept.last().map_or(now, |last| last.max(now)), kept)
    }

    /// How fast a total grows now, and as it did.
    fn rate(&self, of: fn(&Sample) -> u64) -> (f64, Vec<f64>) {
        let grown = |before: &Sample, after: &Sample| {
            let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
            if seconds > 0.0 { of(after).saturating_sub(of(before)) as f64 / seconds } else { 0.0 }
        };
        // A sample that has just been taken is too close to tell.
        let before = self.kept.iter().rev().find(|sample| self.now.at.saturating_duration_since(sample.at) >= EVERY / 2);
        let now = before.map_or(0.0, |before| grown(before, &self.now));
        (now, self.kept.windows(2).map(|pair| grown(&pair[0], &pair[1])).collect())
    }
}

/// A length of time for a person.
fn duration(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

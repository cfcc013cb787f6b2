//! The page at `/status`: how the server fares, in sentences, numbers and small charts.
//!
//! It is complete without a script. With one, `static/js/figures.js` puts new figures in the place of the old whenever the
//! server tells that there are some. What it holds on to, besides the strip of [`crate::status`]:
//!
//! | hook | what it is |
//! |---|---|
//! | `#figures` | all that changes; `/status/figures` is this element anew |
//! | `#figures[data-ready]` | `true` or `false` |
//! | `#stale` | a sentence for when the server does not answer; hidden else |

use maud::{Markup, html};

use crate::chart::Chart;
use crate::layout::{Layout, brand, document};
use crate::status::status;

/// What the page tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FiguresPage {
    /// Why the server cannot serve, a sentence each; none where it can.
    pub problems: Vec<String>,
    /// Single facts: what, and how it stands.
    pub facts: Vec<(&'static str, String)>,
    pub charts: Vec<Chart>,
    /// Exposed tables, and how many changes and resets of each were published.
    pub tables: Vec<(String, [u64; 2])>,
    /// Routes, and how many requests there were, and of these answered 4xx and 5xx.
    pub routes: Vec<(&'static str, [u64; 3])>,
    /// Kinds of problems, and how often each was told.
    pub errors: Vec<(&'static str, u64)>,
}

/// The page at `/status`.
pub fn status_page(page: &FiguresPage) -> Markup {
    let layout = Layout {
        title: "rowcast: status",
        description: "How this rowcast server fares, live.",
        styles: &["/static/css/hello.css", "/static/css/figures.css"],
        script: Some("/static/js/figures.js"),
        preload: &["/static/js/rowcast.js"],
    };
    document(
        &layout,
        html! {
            a.skip href="#figures" { "Skip to the figures" }
            header.masthead {
                (brand())
                h1 { "Status" }
                p.lead {
                    "How this server fares. The same numbers are at "
                    a href="/metrics" { "/metrics" }
                    " for Prometheus, and whether it can serve at "
                    a href="/readyz" { "/readyz" }
                    "."
                }
                noscript { p.notice { "Without JavaScript this page stands still: load it again for new figures." } }
            }
            main {
                (status())
                p #stale.notice role="status" hidden { "These figures are old: the server does not answer." }
                (figures(page))
            }
        },
    )
}

/// What of the page changes.
pub fn figures(page: &FiguresPage) -> Markup {
    html! {
        div #figures tabindex="-1" data-ready=(page.problems.is_empty()) {
            section.panel.readiness aria-labelledby="readiness-heading" {
                h2 #readiness-heading {
                    @if page.problems.is_empty() { "Ready" } @else { "Not ready" }
                }
                @if page.problems.is_empty() {
                    p { "The database is there, the tailer reads the log, and every exposed table is served." }
                }
                @for problem in &page.problems { p.problem { (problem) } }
                dl.facts {
                    @for (what, how) in &page.facts { div { dt { (what) } dd { (how) } } }
                }
            }
            section.panel aria-labelledby="charts-heading" {
                h2 #charts-heading { "The last 15 minutes" }
                div.charts { @for chart in &page.charts { (chart.markup()) } }
                p.about { "What this page itself asks for is counted, too." }
            }
            (counted("tables", "Exposed tables", &["Table", "Changes", "Resets"], &page.tables))
            (counted("requests", "Requests since the start", &["Route", "All", "4xx", "5xx"], &page.routes))
            @let errors: Vec<(&str, [u64; 1])> = page.errors.iter().map(|(what, count)| (*what, [*count])).collect();
            (counted("errors", "Problems told since the start", &["Problem", "Times"], &errors))
        }
    }
}

/// A table of names and how often each was counted.
fn counted<const N: usize>(id: &str, title: &str, heading: &[&str], lines: &[(impl AsRef<str>, [u64; N])]) -> Markup {
    html! {
        section.panel aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (title) }
            @if lines.is_empty() { p.state { "None." } } @else {
                table.counts aria-labelledby={ (id) "-heading" } {
                    thead { tr { @for (place, name) in heading.iter().enumerate() { th.number[place > 0] scope="col" { (name) } } } }
                    tbody {
                        @for (name, counts) in lines {
                            tr {
                                th scope="row" { (name.as_ref()) }
                                @for count in counts { td.number { (count) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

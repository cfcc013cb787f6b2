//! The page of one table: its rows as they are now, in every tab.
//!
//! `static/js/live.js` fills it. What it holds on to, besides the strip of [`crate::status`], which a view has not:
//!
//! | hook | what it is |
//! |---|---|
//! | `#rows[data-table]` | the table's exposed name; with `data-followed` unless it is a view |
//! | `#rows[data-status]` | `loading`, `live`, `stale` or `error`, as the replica says |
//! | `#rows [data-when]` | a sentence for one of these states, or for `empty` or `cut`; hidden in the others |
//! | `thead th[data-column]` | one column; with `data-key` if it is of the key |
//! | `[data-error]` | the place for the server's problem, `role="alert"` |

use maud::{Markup, html};

use crate::layout::{Layout, brand, document};
use crate::status::status;

/// A table or view, and its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePage {
    pub name: String,
    /// The path of its rows as JSON.
    pub json: String,
    /// Names, in the table's order, and whether each is of the key.
    pub columns: Vec<(String, bool)>,
    /// A view's changes are not captured: what is shown is what was there when the page was opened.
    pub followed: bool,
}

/// The page at `/live/NAME`.
pub fn live(page: &LivePage) -> Markup {
    let title = format!("{}: rowcast", page.name);
    let layout = Layout {
        title: &title,
        description: "One table of PostgreSQL, live in every open browser tab.",
        styles: &["/static/css/hello.css", "/static/css/rows.css", "/static/css/live.css"],
        script: Some("/static/js/live.js"),
        preload: &["/static/js/rowcast.js"],
    };
    document(
        &layout,
        html! {
            a.skip href="#rows" { "Skip to the rows" }
            header.masthead {
                (brand())
                h1 { (page.name) }
                p.lead {
                    @if page.followed {
                        "Every row as it is now: what anybody commits is seen here at once. The rows are also there as "
                    } @else {
                        "A view, as it was when this page was opened: load the page again to see what is new. The rows are also there as "
                    }
                    a href=(page.json) { "JSON" }
                    "."
                }
                noscript { p.notice { "This page needs JavaScript, which is switched off." } }
            }
            main {
                @if page.followed { (status()) }
                section #rows.panel aria-labelledby="rows-heading" tabindex="-1" data-table=(page.name) data-followed[page.followed] data-status="loading" {
                    h2 #rows-heading { "Rows" }
                    p.problem role="alert" data-error {}
                    div.states.needs-script role="status" {
                        p.state data-when="loading" { "Loading the rows…" }
                        p.state data-when="empty" hidden { "No rows yet." }
                        p.notice data-when="stale" hidden { "These rows may be out of date. They catch up by themselves once the server answers." }
                        p.state data-when="cut" hidden { "More rows are not shown." }
                    }
                    div.wide.needs-script {
                        table {
                            caption.visually-hidden { "The rows of " (page.name) }
                            thead {
                                tr {
                                    @for (column, is_key) in &page.columns {
                                        th scope="col" data-column=(column) data-key[*is_key] { (column) }
                                    }
                                }
                            }
                            tbody {}
                        }
                    }
                }
            }
        },
    )
}

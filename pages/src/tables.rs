//! The page at `/` of a database that is not the example's: its exposed tables, each a link to its live page.

use maud::{Markup, html};

use crate::layout::{Layout, brand, document};

/// An exposed table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// The path of its live page.
    pub path: String,
    /// What it is and what may be done with it, in a few words.
    pub kind: &'static str,
}

/// What the page needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablesPage {
    pub tables: Vec<Listed>,
    /// Why something that the configuration exposes is not there, a sentence each.
    pub missing: Vec<String>,
}

/// The page at `/`.
pub fn tables(page: &TablesPage) -> Markup {
    let layout = Layout {
        title: "rowcast: tables",
        description: "The tables of PostgreSQL that this server shows, live.",
        styles: &["/static/css/hello.css"],
        script: None,
        preload: &[],
    };
    document(
        &layout,
        html! {
            header.masthead {
                (brand())
                h1 { "Tables" }
                p.lead { "What this server shows of its database. A table's page is live: a change that anybody commits is seen at once. How the server fares is told at " a href="/status" { "/status" } "." }
            }
            main {
                section.panel aria-labelledby="tables-heading" {
                    h2 #tables-heading { "Exposed" }
                    @for sentence in &page.missing { p.problem role="alert" { (sentence) "." } }
                    @if page.tables.is_empty() {
                        p.state {
                            "Nothing yet. Watch a table with "
                            code { "rowcast watch TABLE" }
                            ", name it in rowcast.toml under "
                            code { "[expose]" }
                            " as "
                            code { "TABLE = \"r\"" }
                            ", and start the server again."
                        }
                    } @else { (links(&page.tables)) }
                }
            }
        },
    )
}

/// Tables as links to their live pages.
pub(crate) fn links(tables: &[Listed]) -> Markup {
    html! {
        ul.tables {
            @for table in tables {
                li { a href=(table.path) { (table.name) } " " span.kind { (table.kind) } }
            }
        }
    }
}

//! The page at `/`: one table, live in every tab, with the state of this tab at the top.
//!
//! The markup is complete but empty of rows; `static/js/index.js` fills it. What it holds on to, besides the strip of
//! [`crate::status`]:
//!
//! | hook | what it is |
//! |---|---|
//! | `#add` | the form for a new row: fields `name` and `value`, the button "Add" |
//! | `#rows[data-status]` | `loading`, `live`, `stale` or `error`, as the replica says |
//! | `#rows [data-when]` | a sentence for one of these states, or for `empty` or `cut` (more rows than are shown); hidden in the others |
//! | `tbody tr[data-key]` | one row; with `data-editing` while it is being edited |
//! | `[data-field]` | where a column's value stands in a row: `id`, `name`, `value`, `mtime` |
//! | `button[data-action]` | `edit`, `delete`, `save`, `cancel`; by their accessible names "Edit Ann", "Delete Ann", "Save", "Cancel" |
//! | `[data-verb]` | what is named after its row: the verb, then the row's name |
//! | `[data-error]` | the place for the server's problem, `role="alert"`: in the form, in each row, above the table |
//! | `[data-note]` | in a row being edited: that it changed meanwhile |
//! | `[data-copy]` | a button that copies the text of the element with that id |
//! | `#row`, `#edit` | templates of a row as it is read, and as it is edited |

use maud::{Markup, html};

use crate::layout::{Layout, brand, document};
use crate::status::status;
use crate::tables::{Listed, links};

/// The statement that the page asks its reader to try.
const INSERT: &str = "insert into testtype (name, value) values ('Ann', 42);";

/// What the hello-world page needs to know of the server that shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelloPage {
    /// The command line that opens the server's database in psql, quoted for a shell.
    /// Every visitor sees it: it must carry no password. `None` leaves it out.
    pub psql: Option<String>,
    /// Whether `testtype` is exposed with `rw`. If not, the page offers no form and no buttons.
    pub writable: bool,
    /// The other exposed tables and views.
    pub others: Vec<Listed>,
}

/// The page at `/`.
pub fn hello(page: &HelloPage) -> Markup {
    let layout = Layout {
        title: "rowcast: hello, world",
        description: "One table of PostgreSQL, live in every open browser tab.",
        styles: &["/static/css/hello.css", "/static/css/rows.css"],
        script: Some("/static/js/index.js"),
        preload: &["/static/js/rowcast.js"],
    };
    document(
        &layout,
        html! {
            a.skip href="#rows" { "Skip to the rows" }
            (header(page))
            main {
                (status())
                (rows(page))
                (try_it(page))
                @if !page.others.is_empty() {
                    section.panel aria-labelledby="tables-heading" {
                        h2 #tables-heading { "Other tables" }
                        (links(&page.others))
                    }
                }
            }
            template #row { (row(page)) }
            @if page.writable {
                template #edit { (row_being_edited()) }
            }
        },
    )
}

fn header(page: &HelloPage) -> Markup {
    html! {
        header.masthead {
            (brand())
            h1 { "Hello, world" }
            p.lead {
                "This is a table in PostgreSQL, live: open more tabs, "
                @if page.writable { "change a row here or " }
                "type an "
                code { "INSERT" }
                " into psql, and every tab shows it at once, while a single one of them polls the server for all."
            }
            noscript {
                p.notice {
                    "This page needs JavaScript, which is switched off. The rows can still be read as JSON: "
                    a href="/api/testtype" { "/api/testtype" }
                    "."
                }
            }
        }
    }
}

fn rows(page: &HelloPage) -> Markup {
    html! {
        section #rows.panel aria-labelledby="rows-heading" tabindex="-1" data-status="loading" {
            h2 #rows-heading { "Rows" }
            p.problem role="alert" data-error {}
            @if page.writable { (add_form()) }
            div.states.needs-script role="status" {
                p.state data-when="loading" { "Loading the rows…" }
                p.state data-when="empty" hidden {
                    "No rows yet. "
                    @if page.writable { "Add the first one above, or from psql." } @else { "Add the first one from psql." }
                }
                p.notice data-when="stale" hidden { "These rows may be out of date. They catch up by themselves once the server answers." }
                p.state data-when="cut" hidden { "Older rows are not shown." }
            }
            table.needs-script {
                caption.visually-hidden { "The rows of testtype, newest first" }
                thead {
                    tr {
                        th scope="col" { "Id" }
                        th scope="col" { "Name" }
                        th.number scope="col" { "Value" }
                        th scope="col" { "Changed" }
                        @if page.writable {
                            th scope="col" { span.visually-hidden { "Actions" } }
                        }
                    }
                }
                tbody {}
            }
        }
    }
}

/// Without the script the form still works, and shows the new row as JSON.
/// What the database checks alone (the range of `value`) is left to it: its answer is shown.
fn add_form() -> Markup {
    html! {
        form #add.add action="/api/testtype" method="post" autocomplete="off" aria-label="Add a row" {
            label { "Name" input name="name" required maxlength="200" placeholder="Ann" aria-describedby="add-error"; }
            label.short { "Value" input name="value" type="number" step="1" placeholder="optional" aria-describedby="add-error"; }
            button.primary type="submit" { "Add" }
            p.problem #add-error role="alert" data-error {}
        }
    }
}

fn row(page: &HelloPage) -> Markup {
    html! {
        tr data-key="" {
            td.id data-field="id" {}
            th.name scope="row" {
                span data-field="name" {}
                p.problem role="alert" data-error {}
            }
            td.number data-field="value" {}
            td.mtime { time data-field="mtime" {} }
            @if page.writable {
                td.actions {
                    button.quiet type="button" data-action="edit" data-verb="Edit" { "Edit" }
                    button.quiet.danger type="button" data-action="delete" data-verb="Delete" { "Delete" }
                }
            }
        }
    }
}

/// One cell over all columns, so that what is said about the row has room, and no column jumps.
fn row_being_edited() -> Markup {
    html! {
        tr data-key="" {
            td colspan="5" {
                form.edit autocomplete="off" data-verb="Edit" {
                    span.id data-field="id" {}
                    input name="name" required maxlength="200" aria-label="Name";
                    input name="value" type="number" step="1" aria-label="Value";
                    div.actions {
                        button.primary type="submit" data-action="save" { "Save" }
                        button.quiet type="button" data-action="cancel" { "Cancel" }
                    }
                    p.notice role="status" data-note {}
                    p.problem role="alert" data-error {}
                }
            }
        }
    }
}

fn try_it(page: &HelloPage) -> Markup {
    html! {
        section.panel.try aria-labelledby="try-heading" {
            h2 #try-heading { "Try it" }
            ol {
                li {
                    p { a href="/" target="_blank" rel="noopener" { "Open another tab" } " and put the two side by side." }
                }
                @if let Some(psql) = &page.psql {
                    li { (command("psql", "In a terminal, open psql:", psql)) }
                    li { (command("insert", "Type an INSERT:", INSERT)) }
                } @else {
                    li { (command("insert", "Type an INSERT into psql:", INSERT)) }
                }
                li {
                    p { "Close the master’s tab. Another takes over, and no change is lost." }
                }
            }
        }
    }
}

/// A line to type elsewhere, with a button that copies it.
fn command(id: &str, label: &str, text: &str) -> Markup {
    html! {
        div.command {
            p { (label) }
            button.quiet type="button" data-copy=(id) aria-label={ "Copy the line for " (id) } { "Copy" }
            pre { code #(id) { (text) } }
        }
    }
}

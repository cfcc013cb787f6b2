//! The strip that tells the state of this tab, on every page that is live; `static/js/page/status.js` fills it.
//!
//! | hook | what it is |
//! |---|---|
//! | `#status` | the strip that tells the state of this tab |
//! | `#status[data-role]` | `starting`, `master`, `follower` or `alone` |
//! | `#status[data-connection]` | `connecting`, `online` or `offline` |
//! | `#status [data-state]` | one fact each: `tab`, `role`, `explains`, `connection`, `tabs`, `term`, `since`, `handover`, `problem`, `retry` |

use maud::{Markup, html};

/// The live region holds what changes seldom; times that tick stand outside of it, so that a
/// screen reader is not made to read every second.
pub(crate) fn status() -> Markup {
    html! {
        section #status.status.needs-script aria-labelledby="status-heading" data-role="starting" data-connection="connecting" {
            h2 #status-heading.visually-hidden { "This tab" }
            output.verdict {
                span.role data-state="role" { "Starting" }
                span.explains data-state="explains" { "finding out which tab is master" }
                span.connection data-state="connection" { "Connecting" }
            }
            p.away {
                strong data-state="problem" {}
                " "
                span data-state="retry" {}
            }
            dl.facts {
                div { dt { "This tab" } dd { code data-state="tab" { "–" } } }
                div { dt { "Tabs" } dd data-state="tabs" { "–" } }
                div { dt { "Term" } dd data-state="term" { "–" } }
                div { dt { "Master since" } dd { span data-state="since" { "–" } } }
                div { dt { "Last hand-over" } dd { span data-state="handover" { "–" } } }
            }
        }
    }
}

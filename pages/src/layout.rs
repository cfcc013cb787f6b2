//! What every page shares: the document's head and the frame of its body.

use maud::{DOCTYPE, Markup, html};

/// The parts in which one page differs from another.
pub(crate) struct Layout<'a> {
    /// The document's title. A page's script may put something before it.
    pub title: &'a str,
    /// One sentence for search engines and link previews.
    pub description: &'a str,
    /// Style sheets after `base.css`, as paths from the root of the site.
    pub styles: &'a [&'a str],
    /// The page's own ES module, as a path from the root of the site; a page that stands still has none.
    pub script: Option<&'a str>,
    /// The modules that `script` imports, fetched at once instead of one after another.
    pub preload: &'a [&'a str],
}

/// Puts `body` (the page's landmarks: `header`, `main`, `footer`) into a whole document.
pub(crate) fn document(layout: &Layout<'_>, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(layout.description);
                title { (layout.title) }
                link rel="icon" href="/static/img/favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/static/css/base.css";
                @for style in layout.styles {
                    link rel="stylesheet" href=(style);
                }
                @for module in layout.preload {
                    link rel="modulepreload" href=(module);
                }
                @if let Some(script) = layout.script {
                    script type="module" src=(script) {}
                }
            }
            body { (body) }
        }
    }
}

/// The mark above a page's title.
pub(crate) fn brand() -> Markup {
    html! {
        p.brand {
            img src="/static/img/favicon.svg" alt="" width="28" height="28";
            a href="/" { "rowcast" }
        }
    }
}

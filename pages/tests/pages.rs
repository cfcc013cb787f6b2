//! What the pages promise to whoever serves, styles, scripts or reads it.

use std::collections::BTreeSet;
use std::path::Path;

use rowcast_pages::{Chart, FiguresPage, HelloPage, Listed, LivePage, TablesPage, Unit, figures, hello, live, status_page, tables};

fn page(psql: Option<&str>, writable: bool) -> String {
    let page = HelloPage { psql: psql.map(str::to_owned), writable, others: Vec::new() };
    hello(&page).into_string()
}

/// Every page that the two settings can make.
fn all_pages() -> Vec<String> {
    let psql = Some("psql 'postgresql:///helloworld'");
    [(psql, true), (psql, false), (None, true), (None, false)].map(|(psql, writable)| page(psql, writable)).to_vec()
}

/// The other pages, of a table whose name is markup.
fn other_pages() -> Vec<String> {
    let name = "<b>\"x\"</b>".to_owned();
    let listed = Listed { name: name.clone(), path: "/live/x".to_owned(), kind: "read-only" };
    let columns = vec![(name.clone(), true)];
    let live_page = |followed| live(&LivePage { name: name.clone(), json: "/api/x".to_owned(), columns: columns.clone(), followed });
    let others = HelloPage { psql: None, writable: true, others: vec![listed.clone()] };
    let pages = [
        tables(&TablesPage { tables: vec![listed], missing: vec![name.clone()] }),
        tables(&TablesPage::default()),
        live_page(true),
        live_page(false),
        hello(&others),
        status_page(&figures_of(&name)),
        status_page(&FiguresPage::default()),
    ];
    pages.map(|page| page.into_string()).to_vec()
}

/// A status page of something that is called so.
fn figures_of(name: &str) -> FiguresPage {
    let values = vec![1.0, 2.0];
    let chart = Chart { id: "chart", title: "Parked polls", about: "", unit: Unit::Count, now: 2.0, values, limit: None };
    FiguresPage {
        problems: vec![format!("{name} is not watched")],
        facts: vec![("Version", "1".to_owned())],
        charts: vec![chart],
        tables: vec![(name.to_owned(), [1, 2])],
        routes: vec![("/api/{table}", [3, 2, 1])],
        errors: vec![("Not found", 2)],
    }
}

/// The values of an attribute, wherever it stands: `values(html, "id")`.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let opening = format!(" {attribute}=\"");
    html.split(opening.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect()
}

/// The opening tags, as they stand between `<` and `>`.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').filter_map(|piece| piece.split_once('>')).map(|(tag, _)| tag)
}

#[test]
fn what_it_is_given_is_escaped() {
    let html = page(Some("psql \"<script>alert(1)</script>&\""), true);
    assert!(!html.contains("<script>alert"), "markup from outside came through:\n{html}");
    assert!(html.contains("psql &quot;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;"), "{html}");
}

#[test]
fn a_tables_name_is_escaped() {
    for html in other_pages() {
        assert!(!html.contains("<b>"), "{html}");
    }
}

#[test]
fn it_obeys_the_policy_against_inline_code() {
    for html in all_pages().into_iter().chain(other_pages()) {
        for tag in tags(&html) {
            assert!(!tag.contains(" style="), "an inline style: <{tag}>");
            assert!(!tag.starts_with("style"), "a style element: <{tag}>");
            assert!(!tag.contains(" on"), "an inline handler: <{tag}>");
            assert!(!tag.contains("javascript:") && !tag.contains("data:"), "a forbidden address: <{tag}>");
            if tag.starts_with("script") {
                assert!(tag.contains(" src=\"/static/js/"), "a script without a source of ours: <{tag}>");
            }
        }
        assert!(!html.contains("</script>") || html.contains("></script>"), "a script with a body");
    }
}

#[test]
fn it_has_the_landmarks_and_names_them() {
    for html in all_pages() {
        for once in ["<!DOCTYPE html>", "<html lang=\"en\">", "<header", "<main", "<h1>", "<noscript>"] {
            assert_eq!(html.matches(once).count(), 1, "{once} stands there once");
        }
        assert_eq!(html.matches("<title>").count(), 1, "one title");
        for name in values(&html, "aria-labelledby") {
            assert!(values(&html, "id").contains(&name), "nothing has the id {name}, which names a section");
        }
        let sections = html.matches("<section").count();
        assert_eq!(values(&html, "aria-labelledby").len(), sections, "every section has a name");
    }
}

#[test]
fn the_table_is_one_for_a_screen_reader_too() {
    let html = page(None, true);
    assert!(html.contains("<caption"), "a caption");
    assert_eq!(html.matches("<th scope=\"col\">").count() + html.matches("<th class=\"number\" scope=\"col\">").count(), 5);
    assert!(html.contains("scope=\"row\""), "a row is named by a cell of its own");
    assert!(html.contains("colspan=\"5\""), "the row being edited spans all columns");
}

#[test]
fn the_status_page_reads_without_eyes_and_without_a_script() {
    let page = figures_of("person");
    let html = status_page(&page).into_string();
    assert!(html.contains(&figures(&page).into_string()), "what is renewed is a part of the page");
    for words in ["Not ready", "person is not watched", "From 1 to 2.", "<noscript>", "role=\"img\""] {
        assert!(html.contains(words), "{words} is not in {html}");
    }
    let ids = values(&html, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id stands twice: {ids:?}");
    for names in values(&html, "aria-labelledby") {
        assert!(names.split(' ').all(|name| ids.contains(&name)), "nothing has one of the ids {names}");
    }
    assert!(figures(&FiguresPage::default()).into_string().contains(">Ready<"));
}

#[test]
fn news_is_announced() {
    let html = page(None, true);
    assert!(html.contains("<output"), "the state of the tab is a live region");
    assert!(html.matches("role=\"alert\"").count() >= 4, "problems: of the list, the form, a row read, a row edited");
    assert!(html.contains("data-when=\"loading\""), "a sentence while the rows are loading");
    assert!(html.contains("data-when=\"empty\""), "a sentence where there are no rows");
}

#[test]
fn every_field_has_a_name() {
    for html in all_pages() {
        let inputs = tags(&html).filter(|tag| tag.starts_with("input")).count();
        let labelled = html.matches("<label").count();
        let named = tags(&html).filter(|tag| tag.starts_with("input") && tag.contains("aria-label=")).count();
        assert_eq!(labelled + named, inputs, "each input stands in a label or has an aria-label");
    }
}

#[test]
fn ids_are_unique() {
    for html in all_pages() {
        let ids = values(&html, "id");
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "an id stands twice: {ids:?}");
        for copied in values(&html, "data-copy") {
            assert!(ids.contains(&copied), "there is no #{copied} to copy from");
        }
    }
}

#[test]
fn a_table_that_cannot_be_written_offers_no_buttons() {
    let html = page(None, false);
    for absent in ["<form", "<input", "data-action", "id=\"edit\"", "above"] {
        assert!(!html.contains(absent), "{absent} in a page that is read only");
    }
    assert!(page(None, true).contains("<form"), "the control: a writable one has them");
}

#[test]
fn psql_is_shown_only_where_it_is_known() {
    assert!(!page(None, true).contains("id=\"psql\""));
    let html = page(Some("psql helloworld"), true);
    assert!(html.contains("<code id=\"psql\">psql helloworld</code>"), "{html}");
}

#[test]
fn every_asset_it_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for html in all_pages() {
        let named = [values(&html, "href"), values(&html, "src")].concat();
        let assets: Vec<_> = named.iter().filter(|path| path.starts_with("/static/")).collect();
        assert!(assets.len() >= 5, "an icon, style sheets, scripts: {assets:?}");
        for asset in assets {
            assert!(root.join(&asset[1..]).is_file(), "the page names {asset}, which is not there");
        }
    }
}

//! `/healthz`, `/readyz` and `/metrics`: alive, able to serve, and how much is going on.

use std::fmt::Write;

use hyper::header::{CACHE_CONTROL, HeaderValue};

use super::{App, Response, full};

/// The process answers.
pub fn healthz() -> Response {
    uncached(full(200, "application/json", r#"{"status":"ok"}"#))
}

/// Whether tables can be read and followed: the database answers a request, the tailer has it, and every exposed table
/// is there and watched. `cursor` is what the tailer has seen, so that `rowcast status` can tell how far behind it is.
pub async fn readyz(app: &App) -> Response {
    let mut problems = app.catalog.borrow().missing.clone();
    if !app.hub.tail_alive() {
        problems.push("the tailer has lost the database and is trying to get it back".to_owned());
    }
    if let Err(error) = app.database.run(|session| Ok(session.simple_query("select 1").map(drop)?)).await {
        problems.push(error.to_string());
    }
    let ready = problems.is_empty();
    let body = serde_json::json!({
        "status": if ready { "ready" } else { "not ready" },
        "problems": problems,
        "cursor": app.hub.tip().to_string(),
    });
    uncached(full(if ready { 200 } else { 503 }, "application/json", body.to_string()))
}

/// Prometheus' text form.
pub fn metrics(app: &App) -> Response {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: usize| {
        _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    };
    gauge("rowcast_polls_open", "Polls and event streams that the server holds open", app.hub.open_polls());
    gauge("rowcast_pool_connections_busy", "Connections to the database that requests are using", app.database.busy());
    gauge("rowcast_tail_connected", "Whether the tailer has the database", usize::from(app.hub.tail_alive()));
    uncached(full(200, "text/plain; version=0.0.4; charset=utf-8", text))
}

fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

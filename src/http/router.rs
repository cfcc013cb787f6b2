//! From a request's path and method to the resource that answers it, and what every response carries.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{Method, Request, Version};

use super::route::Route;
use super::{App, Response, assets, body, guard, health, jquery, listen, notify, page, problem, rows, status};
use crate::error::{Error, Result};

/// Answers one request. Failures become problem+json.
pub async fn handle(app: Arc<App>, request: Request<Incoming>) -> std::result::Result<Response, Infallible> {
    let (head, incoming) = request.into_parts();
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let (route_taken, begun) = (Route::of(&path), Instant::now());
    let untyped = app.config.pbp && jquery::is_untyped(&head);
    let metrics = app.metrics.clone();
    // What hyper keeps of a connection has room for this future, also while a poll is parked: so it is kept small.
    let is_http1 = head.version < Version::HTTP_2;
    let outcome = Box::pin(async move {
        let (mut incoming, limits) = (incoming, app.config.limits);
        let outcome = route(app, head, &mut incoming).await;
        (outcome, body::discard(incoming, &limits).await)
    });
    let (outcome, is_read) = outcome.await;
    // hyper would read no further, and not find out that the client has left a long answer.
    let is_refused = |response: &Response| is_http1 && !is_read && response.body().size_hint().exact().is_none();
    let outcome = outcome.and_then(|response| match is_refused(&response) {
        true => Err(Error::bad_request("the request's body was not complete in time: what waits for changes by GET takes none")),
        false => Ok(response),
    });
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) => {
            problem::log(&method, &path, &error);
            metrics.http.failed(error.kind);
            problem::response(&error)
        }
    };
    if untyped {
        jquery::label_as_text(&mut response);
    }
    // Or what is left of the request would be taken for the next.
    if is_http1 && !is_read {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, value);
    }
    metrics.http.answered(route_taken, &method, response.status(), begun);
    Ok(response)
}

/// On every response. Resources of this origin are for this origin.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY)),
];

async fn route(app: Arc<App>, head: Parts, incoming: &mut Incoming) -> Result<Response> {
    guard::check(&head, &app.config.public_hosts)?;
    let path = head.uri.path();
    if path == "/api/_listen" || path == "/api/_listen/" {
        return listen::handle(app, head, incoming).await;
    }
    if path == "/api" || path.starts_with("/api/") {
        return rows::handle(&app, head, incoming).await;
    }
    if path.starts_with("/static/") {
        return assets::handle(&head);
    }
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    match (path, &head.method) {
        ("/notify", &Method::POST) => {
            guard::require_json(&head)?;
            let body = body::read(incoming, &head, &app.config.limits).await?;
            notify::post(app, body).await
        }
        ("/notify", &Method::GET) => notify::get(app, &head).await,
        ("/", &Method::GET | &Method::HEAD) => Ok(page::home(&app)),
        (path, &Method::GET | &Method::HEAD) if path.starts_with("/live/") => page::table(&app, &path["/live/".len()..]),
        ("/healthz", &Method::GET | &Method::HEAD) => Ok(health::healthz()),
        ("/readyz", &Method::GET | &Method::HEAD) => Ok(health::readyz(&app).await),
        ("/metrics", &Method::GET | &Method::HEAD) => health::metrics(&app),
        ("/status", &Method::GET | &Method::HEAD) => Ok(status::page(&app)),
        ("/status/figures", &Method::GET | &Method::HEAD) => Ok(status::figures(&app)),
        ("/notify", _) => Ok(problem::not_allowed(&head.method, "GET, POST")),
        ("/" | "/healthz" | "/readyz" | "/metrics" | "/status" | "/status/figures", _) => {
            Ok(problem::not_allowed(&head.method, "GET, HEAD"))
        }
        _ => Err(Error::not_found(format!("there is nothing at {path}: tables are under /api/, changes at /notify"))),
    }
}

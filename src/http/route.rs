//! The routes, as numbers about requests call them: patterns, so that there are as many as there are lines here.

/// A resource, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Home,
    Live,
    Table,
    Row,
    Listen,
    Notify,
    Static,
    Status,
    Healthz,
    Readyz,
    Metrics,
    Other,
}

impl Route {
    pub const ALL: [Route; 12] = [
        Route::Home,
        Route::Live,
        Route::Table,
        Route::Row,
        Route::Listen,
        Route::Notify,
        Route::Static,
        Route::Status,
        Route::Healthz,
        Route::Readyz,
        Route::Metrics,
        Route::Other,
    ];

    /// The route of a path as it was sent.
    pub fn of(path: &str) -> Route {
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        match path {
            "/" => Route::Home,
            "/api/_listen" => Route::Listen,
            "/notify" => Route::Notify,
            "/status" | "/status/figures" => Route::Status,
            "/healthz" => Route::Healthz,
            "/readyz" => Route::Readyz,
            "/metrics" => Route::Metrics,
            _ => match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
                Some(("api", rest)) if rest.contains('/') => Route::Row,
                Some(("api", _)) => Route::Table,
                Some(("live", _)) => Route::Live,
                Some(("static", _)) => Route::Static,
                _ => Route::Other,
            },
        }
    }

    pub fn pattern(self) -> &'static str {
        match self {
            Route::Home => "/",
            Route::Live => "/live/{table}",
            Route::Table => "/api/{table}",
            Route::Row => "/api/{table}/{key}",
            Route::Listen => "/api/_listen",
            Route::Notify => "/notify",
            Route::Static => "/static/{file}",
            Route::Status => "/status",
            Route::Healthz => "/healthz",
            Route::Readyz => "/readyz",
            Route::Metrics => "/metrics",
            Route::Other => "other",
        }
    }

    /// Whether its requests wait for news: how long they take says nothing of the server.
    pub fn is_poll(self) -> bool {
        matches!(self, Route::Listen | Route::Notify)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_counted_by_its_pattern() {
        for (path, pattern) in [
            ("/", "/"),
            ("/api/testtype", "/api/{table}"),
            ("/api/testtype/", "/api/{table}"),
            ("/api/a.b/1,2", "/api/{table}/{key}"),
            ("/api/_listen/", "/api/_listen"),
            ("/notify", "/notify"),
            ("/static/js/page/dom.js", "/static/{file}"),
            ("/status/figures", "/status"),
            ("/live/x", "/live/{table}"),
            ("/nowhere", "other"),
            ("//", "other"),
        ] {
            assert_eq!(Route::of(path).pattern(), pattern, "{path}");
        }
        assert!(Route::ALL.iter().enumerate().all(|(place, &route)| route as usize == place));
    }
}

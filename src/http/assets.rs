//! `/static/…`: the scripts, styles and images that are built into the binary.

use std::fmt::Write;

use hyper::Method;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::http::request::Parts;
use rust_embed::RustEmbed;

use super::{Response, full, problem};
use crate::error::{Error, Result};

/// In the binary, but read from the checkout in a debug build, so that a script can be edited while that runs.
#[derive(RustEmbed)]
#[folder = "static/"]
#[exclude = "*.json"]
#[exclude = "*.md"]
#[exclude = "*.d.ts"]
struct Files;

/// Answers with the file of that very name: a path is looked up as it was sent, never decoded or resolved.
pub fn handle(head: &Parts) -> Result<Response> {
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        return Ok(problem::not_allowed(&head.method, "GET, HEAD"));
    }
    let path = head.uri.path();
    let name = path.strip_prefix("/static/").filter(|name| name.split('/').all(is_plain));
    let file = name.and_then(Files::get).ok_or_else(|| Error::not_found(format!("there is no file {path}")))?;

    let hash = file.metadata.sha256_hash();
    let tag = hash[..16].iter().fold(String::new(), |mut tag, byte| {
        _ = write!(tag, "{byte:02x}");
        tag
    });
    let tag = format!("\"{tag}\"");
    let mut response = if is_known(head, &tag) { not_modified() } else { full(200, &media_type(&file.metadata), file.data.into_owned()) };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    // Kept, but asked about each time: a new release shows at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// A name of a file or folder of ours: no dots first, nothing encoded.
fn is_plain(segment: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(good)
}

/// Whether the client has this version (RFC 9110, 13.1.2: weak comparison).
fn is_known(head: &Parts, tag: &str) -> bool {
    let values = head.headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

fn not_modified() -> Response {
    let mut response = full(304, "", "");
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// From the file's ending. Our text is UTF-8.
fn media_type(metadata: &rust_embed::Metadata) -> String {
    let media_type = metadata.mimetype();
    if media_type.starts_with("text/") { format!("{media_type}; charset=utf-8") } else { media_type.to_owned() }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::Request;
    use hyper::header::ALLOW;

    use super::*;

    fn ask(method: &str, path: &str, known: Option<&str>) -> Result<Response> {
        let request = Request::builder().method(method).uri(path);
        let request = known.iter().fold(request, |request, tag| request.header(IF_NONE_MATCH, *tag));
        handle(&request.body(()).unwrap().into_parts().0)
    }

    #[tokio::test]
    async fn a_file_is_served_with_its_type_and_tag() {
        for (path, media_type) in [
            ("/static/js/index.js", "text/javascript; charset=utf-8"),
            ("/static/css/base.css", "text/css; charset=utf-8"),
            ("/static/img/favicon.svg", "image/svg+xml"),
        ] {
            let response = ask("GET", path, None).unwrap();
            assert_eq!((response.status().as_u16(), response.headers()[CONTENT_TYPE].to_str().unwrap()), (200, media_type), "{path}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
            let tag = response.headers()[ETAG].to_str().unwrap().to_owned();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, std::fs::read(format!("{}{path}", env!("CARGO_MANIFEST_DIR"))).unwrap());
            for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
                assert_eq!(ask("GET", path, Some(&known)).unwrap().status(), 304, "{known}");
            }
            assert_eq!(ask("GET", path, Some("\"x\"")).unwrap().status(), 200);
        }
    }

    #[test]
    fn nothing_but_the_files_is_served() {
        for path in [
            "/static/",
            "/static/js",
            "/static/js/",
            "/static/../Cargo.toml",
            "/static/js/../../Cargo.toml",
            "/static/%2e%2e/Cargo.toml",
            "/static/js//index.js",
            "/static//etc/passwd",
            "/static/js/index.js/",
            "/static/js/.index.js",
            "/static/js\\index.js",
        ] {
            let Ok(request) = Request::builder().uri(path).body(()) else { continue };
            let error = handle(&request.into_parts().0).err().unwrap_or_else(|| panic!("{path} is served"));
            assert_eq!(error.kind.status(), 404, "{path}");
        }
    }

    #[test]
    fn files_are_only_read() {
        assert_eq!(ask("HEAD", "/static/js/index.js", None).unwrap().status(), 200);
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let response = ask(method, "/static/js/index.js", None).unwrap();
            assert_eq!((response.status().as_u16(), response.headers()[ALLOW].to_str().unwrap()), (405, "GET, HEAD"));
        }
    }
}

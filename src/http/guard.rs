//! Who a request may come from: the Host header, always; the same origin, for what changes something.
//!
//! A web page of a stranger can make its reader's browser send requests to this server, and by a name of its own that
//! resolves to 127.0.0.1 it can even read the answers. The first is stopped by the origin, the second by the host.
//! A client that is no browser sends neither `Sec-Fetch-Site` nor `Origin`, and is not kept out here.

use std::net::Ipv6Addr;

use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use crate::error::{Error, Kind, Result};

/// The names of loopback, which are always good, on any port.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks a request's head before anything else is done with it. An ambiguous head is 400, a stranger's 403.
pub fn check(head: &Parts, public_hosts: &[String]) -> Result<()> {
    let host = check_host(head, public_hosts)?;
    if changes_something(&head.method) {
        check_origin(&head.headers, &host, &["same-origin"])
    } else if head.uri.path().trim_end_matches('/') == "/notify" {
        // A foreign page cannot read the answer, but could take up all places. A person may type the address.
        check_origin(&head.headers, &host, &["same-origin", "none"])
    } else {
        Ok(())
    }
}

/// The media type of a body, lower-case and without parameters. A missing one, and a charset other than UTF-8, are 415.
pub fn content_type(headers: &HeaderMap) -> Result<String> {
    let unsupported = |detail: String| Error::new(Kind::UnsupportedMediaType, detail);
    let value = single(headers, &CONTENT_TYPE)?.ok_or_else(|| {
        unsupported("the body has no Content-Type: send application/json or application/x-www-form-urlencoded".to_owned())
    })?;
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    for parameter in parts {
        if let Some((name, charset)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("charset")
            && !charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        {
            return Err(unsupported(format!("the body is in {charset}: send it in UTF-8")));
        }
    }
    Ok(media_type)
}

/// For resources whose every body is JSON.
pub fn require_json(head: &Parts) -> Result<()> {
    match content_type(&head.headers)?.as_str() {
        "application/json" => Ok(()),
        other => Err(Error::new(Kind::UnsupportedMediaType, format!("the body is {other}: send application/json"))),
    }
}

/// Every method but those that only read: POST /notify among them, which makes the server hold something open.
fn changes_something(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Exactly one Host, one of ours, and the same as the target's where that names one.
fn check_host(head: &Parts, public_hosts: &[String]) -> Result<Authority> {
    // In HTTP/2 the target has it (`:authority`), and the header need not be there (RFC 9113, 8.3.1).
    let authority = head.uri.authority().filter(|_| head.version == Version::HTTP_2).map(hyper::http::uri::Authority::as_str);
    let value = single(&head.headers, &HOST)?
        .or(authority)
        .ok_or_else(|| Error::bad_request("the request has no Host header: send the name that the server is reached by"))?;
    let malformed =
        |text: &str| Error::bad_request(format!("\"{text}\" is no host: send a name or address, and :port where it is not the default"));
    let host = Authority::parse(value).ok_or_else(|| malformed(value))?;
    if let Some(target) = head.uri.authority() {
        // RFC 9112, 3.2.2: a target in absolute form counts more than Host. Then they must not differ.
        if Authority::parse(target.as_str()).ok_or_else(|| malformed(target.as_str()))? != host {
            return Err(Error::bad_request(format!("the request's target names {target}, its Host header {value}: send one host")));
        }
    }
    if LOOPBACK.contains(&host.name.as_str()) || public_hosts.iter().any(|ours| host.is_called(ours)) {
        return Ok(host);
    }
    Err(Error::forbidden(format!("this server is not called {value}: where it should be, add that name to public_hosts")))
}

/// `Sec-Fetch-Site` decides where it is there, because no page can forge or drop it; else `Origin`.
fn check_origin(headers: &HeaderMap, host: &Authority, good_sites: &[&str]) -> Result<()> {
    let foreign = |what: &str| {
        Error::forbidden(format!("the request comes from another site's page ({what}): only pages of this server may send it"))
    };
    if let Some(site) = single(headers, &SEC_FETCH_SITE)? {
        return if good_sites.contains(&site) { Ok(()) } else { Err(foreign(&format!("Sec-Fetch-Site: {site}"))) };
    }
    match single(headers, &ORIGIN)? {
        Some(origin) if !host.is_of_origin(origin) => Err(foreign(&format!("Origin: {origin}"))),
        _ => Ok(()),
    }
}

/// The one value of a header; none where it is not there, 400 where there are several or no text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::to_str).transpose();
    match (first, values.next()) {
        (Ok(value), None) => Ok(value),
        (_, Some(_)) => Err(Error::bad_request(format!("the request has two {name} headers: send one"))),
        (Err(_), None) => Err(Error::bad_request(format!("the request's {name} header is not plain text"))),
    }
}

/// A host and a port as `Host` and `Origin` spell them, made comparable.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    /// Lower-case, without a trailing dot and without the brackets of IPv6.
    name: String,
    /// None where it is the default of the scheme.
    port: Option<u16>,
}

impl Authority {
    /// Parses `name`, `name:port`, `[::1]` and `[::1]:port`. An empty port is none (RFC 3986, 3.2.3).
    fn parse(text: &str) -> Option<Authority> {
        // The colons of IPv6 are inside of brackets, so the port's comes after the last of those.
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (text, ""),
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Authority { name: Authority::parse_name(name)?, port })
    }

    fn parse_name(text: &str) -> Option<String> {
        if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return Some(address.parse::<Ipv6Addr>().ok()?.to_string());
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_good)).then_some(name)
    }

    /// Whether `ours`, from the configuration, is this host: on any port, unless it names one.
    fn is_called(&self, ours: &str) -> bool {
        let bare_address = ours.parse::<Ipv6Addr>().map(|address| Authority { name: address.to_string(), port: None });
        let ours = bare_address.ok().or_else(|| Authority::parse(ours));
        ours.is_some_and(|ours| ours.name == self.name && (ours.port.is_none() || ours.port == self.port))
    }

    /// Whether a page of `origin` was served by this host. A default port is the same as none. The scheme is not
    /// known here: a proxy may have taken the encryption off.
    fn is_of_origin(&self, origin: &str) -> bool {
        let Some((default_port, authority)) = origin
            .strip_prefix("http://")
            .map(|authority| (80, authority))
            .or_else(|| origin.strip_prefix("https://").map(|authority| (443, authority)))
        else {
            return false; // "null": a sandboxed page, a file, or a redirect over several sites
        };
        let port = |authority: &Authority| authority.port.unwrap_or(default_port);
        Authority::parse(authority).is_some_and(|other| other.name == self.name && port(&other) == port(self))
    }
}

#[cfg(test)]
mod tests;

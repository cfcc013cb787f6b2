//! A connection string that a person may see: without what is secret in it.

use percent_encoding::percent_decode_str;

use super::string::{is_url, parse};

/// Keywords whose values are nobody else's business.
const SECRETS: [&str; 5] = ["password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"];

/// The string without its secrets, and whether it had any. None where it cannot be understood: what is secret in it cannot
/// be told then.
pub fn without_secrets(string: &str) -> Option<(String, bool)> {
    let string = string.trim();
    let pairs = parse(string).ok()?;
    let secret = |keyword: &str| SECRETS.contains(&keyword);
    if !pairs.iter().any(|(keyword, _)| secret(keyword)) {
        return Some((string.to_owned(), false));
    }
    if is_url(string) {
        return Some((url_without(string, secret)?, true));
    }
    let open = pairs.iter().filter(|(keyword, _)| !secret(keyword));
    Some((open.map(|(keyword, value)| format!("{keyword}={}", quoted(value))).collect::<Vec<_>>().join(" "), true))
}

fn url_without(url: &str, secret: impl Fn(&str) -> bool) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.find('/').unwrap_or(rest.len());
    let (user, rest) = match rest[..authority].find('@') {
        Some(end) => (Some(rest[..end].split(':').next().unwrap_or_default()), &rest[end + 1..]),
        None => (None, rest),
    };
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let name = |parameter: &str| percent_decode_str(parameter.split('=').next().unwrap_or_default()).decode_utf8_lossy().into_owned();
    let open: Vec<&str> =
        query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty() && !secret(&name(parameter))).collect();
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let query = if open.is_empty() { String::new() } else { format!("?{}", open.join("&")) };
    Some(format!("{scheme}://{user}{place}{query}"))
}

fn quoted(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@%-,".contains(&byte)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn secrets_are_left_out_and_the_rest_stays() {
        for (given, shown) in [
            ("postgresql://app@db/shop", "postgresql://app@db/shop"),
            ("postgresql://app:se%63ret@db:5433,b/shop?sslmode=require", "postgresql://app@db:5433,b/shop?sslmode=require"),
            ("postgresql://app:p?w=1@db/shop", "postgresql://app@db/shop"),
            ("postgres://db/shop?pass%77ord=secret&user=app", "postgres://db/shop?user=app"),
            ("postgres://db/shop?password=secret", "postgres://db/shop"),
            ("host=db password='se cret' dbname='my shop'", "host=db dbname='my shop'"),
            ("host=db dbname=shop", "host=db dbname=shop"),
            (r"password=x options='-c a=\'b\''", r"options='-c a=\'b\''"),
        ] {
            assert_eq!(without_secrets(given).map(|(shown, _)| shown).as_deref(), Some(shown), "{given}");
        }
        assert_eq!(without_secrets("host=db secret"), None);
        assert_eq!(without_secrets("postgresql://app:secret@[db/shop"), None);
    }
}

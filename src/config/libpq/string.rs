//! Connection strings, in both of libpq's forms.

use std::iter::Peekable;
use std::str::Chars;

use percent_encoding::percent_decode_str;

use super::keywords::{KEYWORDS, keyword};
use crate::config::nearest::suggestion;

/// Keywords and values, in the order in which they hold: a later one replaces an earlier one.
pub type Pairs = Vec<(&'static str, String)>;

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Whether the string is of the form of a URL.
pub fn is_url(string: &str) -> bool {
    SCHEMES.iter().any(|scheme| string.starts_with(scheme))
}

/// Parses `postgresql://…` or `host=… dbname=…`. The error never repeats a value: it may be, or be taken for, a password.
pub fn parse(string: &str) -> Result<Pairs, String> {
    let string = string.trim();
    match SCHEMES.iter().find_map(|scheme| string.strip_prefix(scheme)) {
        Some(rest) => url(rest),
        None if string.is_empty() => Ok(Vec::new()),
        None if string.contains('=') && !string.contains("://") => pairs(string),
        None => Err("write postgresql://role@host/database, or host=… dbname=… user=…".to_owned()),
    }
}

/// The keyword of this name, as the table spells it.
pub fn known(name: &str) -> Result<&'static str, String> {
    keyword(name).map(|keyword| keyword.name).ok_or_else(|| {
        // A piece of an unquoted password would look like a name too: only what can be one is repeated.
        let speakable = name.len() <= 30 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let near = suggestion(name, KEYWORDS.iter().map(|keyword| keyword.name));
        if speakable { format!("it has an unknown keyword, `{name}`{near}") } else { "it has an unknown keyword".to_owned() }
    })
}

/// `[user[:password]@][host[:port],…][/database][?keyword=value&…]`
fn url(rest: &str) -> Result<Pairs, String> {
    let mut pairs = Pairs::new();
    // User and password end at the first @ before any /: either may hold a question mark.
    let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
    let rest = match authority.find('@') {
        Some(end) => {
            let (user, password) = split(&rest[..end], ':');
            pairs.push(("user", decode(user)?));
            if let Some(password) = password {
                pairs.push(("password", decode(password)?));
            }
            &rest[end + 1..]
        }
        None => rest,
    };
    let (rest, query) = split(rest, '?');
    let (places, database) = split(rest, '/');
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',') {
        let (host, port) = host_and_port(place)?;
        hosts.push(decode(host)?);
        ports.push(decode(port)?);
    }
    // Where several places are named without any port, libpq's own port is meant, not the variable's.
    pairs.extend([("host", hosts.join(",")), ("port", ports.join(",")), ("dbname", decode(database.unwrap_or_default())?)]);
    pairs.retain(|(_, value)| !value.is_empty());
    for parameter in query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, Some(value)) = split(parameter, '=') else { return Err("a parameter after its ? has no value".to_owned()) };
        let (name, value) = (decode(name)?, decode(value)?);
        if name == "ssl" && value == "true" {
            // The JDBC driver's spelling, which libpq takes too.
            pairs.push(("sslmode", "require".to_owned()));
        } else {
            pairs.push((known(&name)?, value));
        }
    }
    Ok(pairs)
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(place: &str) -> Result<(&str, &str), String> {
    let Some(bracketed) = place.strip_prefix('[') else {
        let (host, port) = split(place, ':');
        return Ok((host, port.unwrap_or_default()));
    };
    match bracketed.split_once(']') {
        Some((host, "")) => Ok((host, "")),
        Some((host, port)) if port.starts_with(':') => Ok((host, &port[1..])),
        _ => Err("an address in [ ] is not closed, or followed by something else than a port".to_owned()),
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn decode(text: &str) -> Result<String, String> {
    let broken = text.split('%').skip(1).any(|after| !after.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)));
    let decoded = percent_decode_str(text).decode_utf8().ok().filter(|text| !broken && !text.contains('\0'));
    decoded.map(Into::into).ok_or_else(|| "a % in it is not followed by the two digits of a character; a % itself is %25".to_owned())
}

/// `keyword = value …`, a value with blanks in quotes, a backslash before what means itself.
fn pairs(string: &str) -> Result<Pairs, String> {
    let mut pairs = Pairs::new();
    let mut rest = string.chars().peekable();
    loop {
        skip_blanks(&mut rest);
        if rest.peek().is_none() {
            return Ok(pairs);
        }
        let mut name = String::new();
        while let Some(character) = rest.next_if(|character| *character != '=' && !character.is_whitespace()) {
            name.push(character);
        }
        skip_blanks(&mut rest);
        if rest.next_if_eq(&'=').is_none() {
            return Err("a keyword in it is not followed by =; a value with blanks is written in quotes, 'like this'".to_owned());
        }
        skip_blanks(&mut rest);
        pairs.push((known(&name)?, value(&mut rest)?));
    }
}

fn value(rest: &mut Peekable<Chars>) -> Result<String, String> {
    let mut value = String::new();
    let quoted = rest.next_if_eq(&'\'').is_some();
    loop {
        match rest.next_if(|character| quoted || !character.is_whitespace()) {
            Some('\'') if quoted => return Ok(value),
            Some('\\') => value.extend(rest.next()),
            Some(character) => value.push(character),
            None if quoted => return Err("a quote in it is not closed".to_owned()),
            None => return Ok(value),
        }
    }
}

fn skip_blanks(rest: &mut Peekable<Chars>) {
    while rest.next_if(|character| character.is_whitespace()).is_some() {}
}

//! Names and values as a query string, a form or JSON carries them.

use percent_encoding::percent_decode;
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The pairs of `a=1&b=two+words`, decoded. What is not UTF-8 is a bad request, rather than replaced unseen.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| Ok((field(name)?, field(value)?))).collect()
}

/// A part of a path, decoded: here a plus sign is a plus sign.
pub fn segment(text: &str) -> Result<String> {
    decode(text.as_bytes(), text)
}

/// A value of JSON as text for the database to cast, null as none: numbers keep their digits.
pub fn json_value(value: &RawValue) -> Result<Option<String>> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => {
            Ok(Some(serde_json::from_str(text).map_err(|error| Error::bad_request(format!("the value {text} is wrong: {error}")))?))
        }
        _ => Ok(Some(text.to_owned())),
    }
}

fn field(text: &str) -> Result<String> {
    let spaced: Vec<u8> = text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
    decode(&spaced, text)
}

fn decode(bytes: &[u8], text: &str) -> Result<String> {
    let decoded = percent_decode(bytes).decode_utf8();
    Ok(decoded.map_err(|_| Error::bad_request(format!("\"{text}\" is not UTF-8 when decoded")))?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let of = |text| pairs(text).unwrap();
        let expected = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        assert_eq!(of(""), expected(&[]));
        assert_eq!(of("a=1&&b&c=x=y&a=2"), expected(&[("a", "1"), ("b", ""), ("c", "x=y"), ("a", "2")]));
        assert_eq!(of("na%C3%AFve=two+words%2B%26"), expected(&[("naïve", "two words+&")]));
        assert!(pairs("a=%FF").is_err());
    }

    #[test]
    fn a_segment_keeps_its_plus_signs() {
        assert_eq!(segment("a+b%20c%2Fd").unwrap(), "a+b c/d");
        assert!(segment("%C3").is_err());
    }
}

//! The known word that a mistyped one was probably meant to be.

/// How alike two words must be, from 0 to 1, for the one to be offered for the other.
const ALIKE: f64 = 0.86;

/// The candidate that is most like `word`, if any is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let alike = |candidate: &&str| strsim::jaro_winkler(&word, &candidate.to_ascii_lowercase());
    let best = candidates.into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(&best) >= ALIKE).then_some(best)
}

/// The end of a sentence that says that a word is unknown.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|known| format!("; did you mean `{known}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KNOWN: [&str; 8] = ["port", "polls", "expose", "database_url", "pool_connections", "connections", "public_hosts", "keep_seconds"];

    #[test]
    fn a_slip_finds_what_was_meant_and_a_stranger_finds_nothing() {
        for (word, meant) in [
            ("prot", Some("port")),
            ("exposed", Some("expose")),
            ("databse_url", Some("database_url")),
            ("pool-connections", Some("pool_connections")),
            ("connection", Some("connections")),
            ("keep_second", Some("keep_seconds")),
            ("service_host", None),
            ("pg_bin", None),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, KNOWN), meant, "{word}");
        }
    }
}

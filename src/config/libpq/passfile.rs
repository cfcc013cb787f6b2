//! The password file (PostgreSQL manual, "The Password File").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a password is looked up for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The host as it was given; a directory of sockets for a socket.
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// Where it is; it is read whenever a connection is made, so that a changed password is taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passfile(pub PathBuf);

impl Passfile {
    /// The first password whose line fits.
    pub fn password(&self, wanted: Wanted) -> Option<String> {
        if !self.0.exists() {
            return None;
        }
        if let Err(why) = check(&self.0) {
            tracing::warn!("the password file {} is not used: {why}", self.0.display());
            return None;
        }
        match fs::read_to_string(&self.0) {
            Ok(text) => text.lines().find_map(|line| password_of(line, wanted)),
            Err(error) => {
                tracing::warn!("the password file {} cannot be read: {error}", self.0.display());
                None
            }
        }
    }
}

/// A password that others can read is none.
fn check(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no ordinary file".to_owned());
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!("others may read or write it: run chmod 600 {}", path.display()));
    }
    Ok(())
}

/// The password of `host:port:database:user:password`, if the line fits.
fn password_of(line: &str, wanted: Wanted) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let port = wanted.port.to_string();
    let mut rest = line;
    for expected in [wanted.host, &port, wanted.database, wanted.user] {
        let (field, after) = field(rest);
        if field.raw != "*" && field.text != expected {
            return None;
        }
        rest = after?;
    }
    // The password is a field as well: a colon in it needs its backslash, and what comes after it is passed over.
    Some(field(rest).0.text)
}

struct Field<'a> {
    raw: &'a str,
    text: String,
}

/// The text up to the next colon that no backslash precedes, and what comes after that.
fn field(line: &str) -> (Field<'_>, Option<&str>) {
    let mut escaped = false;
    let end = line.find(|character| {
        let ends = character == ':' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    let raw = &line[..end.unwrap_or(line.len())];
    (Field { raw, text: unescape(raw) }, end.map(|end| &line[end + 1..]))
}

fn unescape(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { host: "db.example.org", port: 5432, database: "shop", user: "app" };

    #[test]
    fn a_line_fits_in_every_field_or_by_a_star() {
        for (line, password) in [
            ("db.example.org:5432:shop:app:secret", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("*:5433:*:*:secret", None),
            ("db.example.org:5432:shop:other:secret", None),
            ("#*:*:*:*:secret", None),
            ("*:*:*:app", None),
            ("", None),
            (r"*:*:*:app:a\:b\\c", Some(r"a:b\c")),
            ("*:*:*:app:a:b", Some("a")),
            // A star that is escaped is a name.
            (r"\*:*:*:*:secret", None),
        ] {
            assert_eq!(password_of(line, WANTED).as_deref(), password, "{line}");
        }
        assert_eq!(password_of(r"*:*:a\:b:*:x", Wanted { database: "a:b", ..WANTED }).as_deref(), Some("x"));
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = Passfile(folder.path().join("pgpass"));
        fs::write(&file.0, "# first\nother:*:*:*:wrong\n*:*:*:*:secret\n").unwrap();
        for (mode, password) in [(0o640, None), (0o604, None), (0o620, None), (0o600, Some("secret")), (0o400, Some("secret"))] {
            fs::set_permissions(&file.0, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(file.password(WANTED).as_deref(), password, "{mode:o}");
        }
        assert_eq!(Passfile(folder.path().to_owned()).password(WANTED), None);
        assert_eq!(Passfile("/nowhere".into()).password(WANTED), None);
    }
}

//! What can go wrong, and the one table from SQLSTATE to kind and status.

use std::fmt;
use std::time::Duration;

/// The sorts of failure that a client can tell apart. Each is one `type` of problem+json.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    /// A newer poll of the same browser has taken this one's place.
    Superseded,
    TooLarge,
    UnsupportedMediaType,
    /// Try again later: the database is away, or too much is asked at once.
    Unavailable,
    Internal,
}

impl Kind {
    pub const ALL: [Kind; 10] = [
        Kind::BadRequest,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::Conflict,
        Kind::Superseded,
        Kind::TooLarge,
        Kind::UnsupportedMediaType,
        Kind::Unavailable,
        Kind::Internal,
    ];

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Kind::BadRequest => 400,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::MethodNotAllowed => 405,
            Kind::Conflict | Kind::Superseded => 409,
            Kind::TooLarge => 413,
            Kind::UnsupportedMediaType => 415,
            Kind::Internal => 500,
            Kind::Unavailable => 503,
        }
    }

    /// The last part of the problem's `type`, `urn:rowcast:…`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::BadRequest => "bad-request",
            Kind::Forbidden => "forbidden",
            Kind::NotFound => "not-found",
            Kind::MethodNotAllowed => "method-not-allowed",
            Kind::Conflict => "conflict",
            Kind::Superseded => "superseded",
            Kind::TooLarge => "too-large",
            Kind::UnsupportedMediaType => "unsupported-media-type",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }

    /// The problem's `title`: what a person reads first.
    pub fn title(self) -> &'static str {
        match self {
            Kind::BadRequest => "The request cannot be understood",
            Kind::Forbidden => "Not allowed",
            Kind::NotFound => "Not found",
            Kind::MethodNotAllowed => "This method is not allowed here",
            Kind::Conflict => "In conflict with other data",
            Kind::Superseded => "A newer poll of this browser took over",
            Kind::TooLarge => "Too large",
            Kind::UnsupportedMediaType => "This type of content is not accepted here",
            Kind::Unavailable => "Not available right now",
            Kind::Internal => "Something went wrong in the server",
        }
    }
}

/// A failure with what a person needs to act on it.
#[derive(Clone, Debug)]
pub struct Error {
    pub kind: Kind,
    /// What was tried, what went wrong and what to do, in a sentence or two.
    pub detail: String,
    /// The SQLSTATE, where the database said it.
    pub code: Option<String>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
}

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Error {
        Error { kind, detail: detail.into(), code: None, retry_after: None }
    }

    pub fn bad_request(detail: impl Into<String>) -> Error {
        Error::new(Kind::BadRequest, detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Error {
        Error::new(Kind::Forbidden, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Error {
        Error::new(Kind::NotFound, detail)
    }

    pub fn internal(detail: impl Into<String>) -> Error {
        Error::new(Kind::Internal, detail)
    }

    /// Overload or absence: to be tried again after `retry_after`.
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Error {
        Error { retry_after: Some(retry_after), ..Error::new(Kind::Unavailable, detail) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.detail)?;
        match &self.code {
            Some(code) => write!(f, " (SQLSTATE {code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// When a client should come back to a database that is away.
const DATABASE_AWAY: Duration = Duration::from_secs(2);

impl Error {
    /// Whether the database holds text that has no form in UTF-8: character_not_in_repertoire, as one whose encoding is
    /// SQL_ASCII may, or untranslatable_character.
    pub fn is_of_encoding(&self) -> bool {
        matches!(self.code.as_deref(), Some("22021" | "22P05"))
    }
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Error {
        let Some(db) = error.as_db_error() else {
            let mut detail = format!("the database cannot be reached: {error}");
            if let Some(source) = std::error::Error::source(&error) {
                detail.push_str(&format!(": {source}"));
            }
            return Error::unavailable(detail, DATABASE_AWAY);
        };
        let code = db.code().code();
        let kind = kind_of_sqlstate(code);
        let mut detail = db.message().to_owned();
        for more in [db.detail(), db.hint()].into_iter().flatten() {
            detail.push_str(". ");
            detail.push_str(more);
        }
        let retry_after = (kind == Kind::Unavailable).then_some(DATABASE_AWAY);
        Error { kind, detail, code: Some(code.to_owned()), retry_after }
    }
}

/// The table from SQLSTATE to kind (PostgreSQL manual, appendix "Error Codes"): exact codes first, then classes.
pub fn kind_of_sqlstate(code: &str) -> Kind {
    match code {
        "42501" => Kind::Forbidden,                       // insufficient_privilege
        "42P01" | "3F000" => Kind::NotFound,              // undefined_table, invalid_schema_name
        "40001" | "40P01" | "55P03" => Kind::Unavailable, // serialization_failure, deadlock, lock_not_available
        "57014" => Kind::Unavailable,                     // query_canceled: statement_timeout
        "54000" | "54001" | "54011" => Kind::TooLarge,    // program_limit_exceeded
        "25006" => Kind::Forbidden,                       // read_only_sql_transaction
        "P0001" => Kind::BadRequest,                      // raise_exception, by a trigger of the application's
        "23502" | "23514" | "22P02" => Kind::BadRequest,  // not_null, check, invalid_text_representation
        "428C9" => Kind::BadRequest,                      // generated_always
        "42703" | "42804" | "42883" => Kind::BadRequest,  // undefined column, datatype_mismatch, undefined_function
        _ => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => Kind::Unavailable, // connection, resources, operator intervention, system
            Some("23" | "40") => Kind::Conflict,                  // integrity constraints, rollback
            Some("22") => Kind::BadRequest,                       // data
            Some("28") => Kind::Unavailable,                      // authorization of the server's own role
            Some("44") => Kind::BadRequest,                       // with check option
            _ => Kind::Internal,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_have_the_status_that_they_deserve() {
        for (code, status) in [
            ("23505", 409),
            ("23503", 409),
            ("23P01", 409),
            ("23502", 400),
            ("22003", 400),
            ("22P02", 400),
            ("42501", 403),
            ("42P01", 404),
            ("57P01", 503),
            ("08006", 503),
            ("53300", 503),
            ("40P01", 503),
            ("XX000", 500),
        ] {
            assert_eq!(kind_of_sqlstate(code).status(), status, "{code}");
        }
    }
}

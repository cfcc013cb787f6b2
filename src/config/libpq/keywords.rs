//! libpq's keywords (PostgreSQL manual, "Parameter Key Words" and "Environment Variables"), and what rowcast makes of each.

/// A keyword of connection strings and service files.
#[derive(Debug)]
pub struct Keyword {
    pub name: &'static str,
    /// The variable that gives its default.
    pub variable: Option<&'static str>,
    pub used: Use,
}

/// What a keyword does here.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// The same as for libpq.
    Understood,
    /// Nothing, and nobody would miss it.
    PassedOver,
    /// Refused, unless the value is one of these, which ask for what rowcast does anyway.
    Only { values: &'static [&'static str], reach: Reach, why: &'static str },
}

/// By what way to the database something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Any,
    /// By TCP.
    Network,
    /// By a socket in the file system.
    Socket,
}

use Use::{PassedOver, Understood};

const fn with_variable(name: &'static str, variable: &'static str, used: Use) -> Keyword {
    Keyword { name, variable: Some(variable), used }
}

const fn without_variable(name: &'static str, used: Use) -> Keyword {
    Keyword { name, variable: None, used }
}

const fn refused(why: &'static str) -> Use {
    Use::Only { values: &[], reach: Reach::Any, why }
}

const fn network(values: &'static [&'static str], why: &'static str) -> Use {
    Use::Only { values, reach: Reach::Network, why }
}

const NO_REVOCATION: &str =
    "rowcast reads no lists of revoked certificates; take it away, or let a pooler or tunnel that reads them hold the connection";
const NO_OAUTH: &str = "rowcast cannot log in by OAuth; use a password or a client certificate";

/// All that libpq of PostgreSQL 18 knows.
pub const KEYWORDS: &[Keyword] = &[
    with_variable("host", "PGHOST", Understood),
    with_variable("hostaddr", "PGHOSTADDR", Understood),
    with_variable("port", "PGPORT", Understood),
    with_variable("dbname", "PGDATABASE", Understood),
    with_variable("user", "PGUSER", Understood),
    with_variable("password", "PGPASSWORD", Understood),
    with_variable("passfile", "PGPASSFILE", Understood),
    with_variable("service", "PGSERVICE", Understood),
    with_variable("servicefile", "PGSERVICEFILE", Understood),
    with_variable("options", "PGOPTIONS", Understood),
    with_variable("application_name", "PGAPPNAME", Understood),
    without_variable("fallback_application_name", Understood),
    with_variable("connect_timeout", "PGCONNECT_TIMEOUT", Understood),
    with_variable("target_session_attrs", "PGTARGETSESSIONATTRS", Understood),
    with_variable("load_balance_hosts", "PGLOADBALANCEHOSTS", Understood),
    with_variable("channel_binding", "PGCHANNELBINDING", Understood),
    without_variable("keepalives", Understood),
    without_variable("keepalives_idle", Understood),
    without_variable("keepalives_interval", Understood),
    without_variable("keepalives_count", Understood),
    without_variable("tcp_user_timeout", Understood),
    with_variable("sslmode", "PGSSLMODE", Understood),
    with_variable("sslrootcert", "PGSSLROOTCERT", Understood),
    with_variable("sslcert", "PGSSLCERT", Understood),
    with_variable("sslkey", "PGSSLKEY", Understood),
    with_variable("sslcertmode", "PGSSLCERTMODE", Understood),
    with_variable("sslsni", "PGSSLSNI", Understood),
    with_variable("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Understood),
    with_variable("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Understood),
    // rowcast speaks UTF-8 and version 3.0 of the protocol, and has no Kerberos for which these would matter.
    with_variable("client_encoding", "PGCLIENTENCODING", PassedOver),
    with_variable("max_protocol_version", "PGMAXPROTOCOLVERSION", PassedOver),
    with_variable("krbsrvname", "PGKRBSRVNAME", PassedOver),
    with_variable("gsslib", "PGGSSLIB", PassedOver),
    with_variable("gssdelegation", "PGGSSDELEGATION", PassedOver),
    with_variable(
        "gssencmode",
        "PGGSSENCMODE",
        network(&["disable", "prefer"], "rowcast has no GSSAPI; set it to disable, and sslmode to verify-full, for encryption by TLS"),
    ),
    with_variable(
        "sslnegotiation",
        "PGSSLNEGOTIATION",
        network(&["postgres"], "rowcast asks for TLS in the way that every server since 7.2 knows; set it to postgres"),
    ),
    with_variable("sslcompression", "PGSSLCOMPRESSION", network(&["0"], "TLS is never compressed, for that is not safe; set it to 0")),
    without_variable(
        "sslpassword",
        network(&[], "rowcast reads no encrypted keys; decrypt the key of sslkey (openssl pkey), with mode 0600"),
    ),
    with_variable("sslcrl", "PGSSLCRL", network(&[], NO_REVOCATION)),
    with_variable("sslcrldir", "PGSSLCRLDIR", network(&[], NO_REVOCATION)),
    without_variable("sslkeylogfile", network(&[], "rowcast writes no keys of its connections to files; take it away")),
    with_variable(
        "requirepeer",
        "PGREQUIREPEER",
        Use::Only {
            values: &[],
            reach: Reach::Socket,
            why: "rowcast does not check whose process is behind a socket; use a directory that only that user can write to, or TCP with sslmode=verify-full",
        },
    ),
    with_variable(
        "require_auth",
        "PGREQUIREAUTH",
        refused("rowcast cannot narrow down how the server asks for a password; channel_binding=require insists on SCRAM over TLS"),
    ),
    with_variable(
        "min_protocol_version",
        "PGMINPROTOCOLVERSION",
        Use::Only { values: &["3.0"], reach: Reach::Any, why: "rowcast speaks version 3.0 of the protocol; set it to 3.0" },
    ),
    without_variable(
        "replication",
        Use::Only { values: &["false", "off", "no", "0"], reach: Reach::Any, why: "rowcast does not replicate; take it away" },
    ),
    without_variable("scram_client_key", refused("rowcast logs in by a password; give that")),
    without_variable("scram_server_key", refused("rowcast logs in by a password; give that")),
    without_variable("oauth_issuer", refused(NO_OAUTH)),
    without_variable("oauth_client_id", refused(NO_OAUTH)),
    without_variable("oauth_client_secret", refused(NO_OAUTH)),
    without_variable("oauth_scope", refused(NO_OAUTH)),
];

/// Variables of libpq that have no keyword, and would change the connection. Those that it has besides, PGDATESTYLE,
/// PGTZ and PGLOCALEDIR, change nothing: rowcast sets date style and time zone itself.
pub const VARIABLES: &[(&str, &str)] = &[
    ("PGREQUIRESSL", "it is no longer libpq's either; set PGSSLMODE=require"),
    ("PGGEQO", "set PGOPTIONS=\"-c geqo=…\" if that is meant"),
];

/// The keyword of this name.
pub fn keyword(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

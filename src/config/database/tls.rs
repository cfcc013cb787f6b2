//! What TLS must prove: libpq's `sslmode` and what goes with it (PostgreSQL manual, "SSL Support").

use std::path::{Path, PathBuf};

use super::resolve::one_of;
use super::{Host, Place};
use crate::config::libpq::{Environment, Parameters};

/// libpq's six modes, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Whose signature a server's certificate must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    File(PathBuf),
    System,
}

/// What the client shows for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The versions of TLS that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// How TLS is used. The files are read anew for each connection, so that renewed ones are taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub mode: SslMode,
    /// None: any certificate will do, for nothing is there to check it by.
    pub roots: Option<Roots>,
    pub certificate: Option<ClientCertificate>,
    /// Whether the server is told the name that it is asked for by.
    pub tell_name: bool,
    pub versions: Vec<TlsVersion>,
}

const MODES: &[(&str, SslMode)] = &[
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

impl SslMode {
    /// As libpq spells it.
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

impl Tls {
    /// Whether the certificate's name is compared with the one that the server was asked for by.
    pub fn checks_name(&self) -> bool {
        self.mode == SslMode::VerifyFull
    }
}

/// What the parameters ask for. Files that are named must be there; of those that only may be there, what is found now
/// holds: were the roots looked for at each connection, their loss would turn a check off in silence.
pub fn resolve(parameters: &Parameters, places: &[Place], environment: &Environment) -> Result<Tls, String> {
    let system = parameters.get("sslrootcert") == Some("system");
    let mode = one_of(parameters, "sslmode", MODES)?;
    let mode = mode.unwrap_or(if system { SslMode::VerifyFull } else { SslMode::Prefer });
    let mut tls = Tls {
        mode,
        roots: None,
        certificate: None,
        tell_name: one_of(parameters, "sslsni", &[("0", false), ("1", true)])?.unwrap_or(true),
        versions: versions(parameters)?,
    };
    // By sockets there is no TLS, whatever is asked for.
    if mode == SslMode::Disable || places.iter().all(|place| matches!(place.host, Host::Socket(_))) {
        return Ok(tls);
    }
    tls.roots = roots(parameters, mode, environment)?;
    tls.certificate = certificate(parameters, environment)?;
    let nameless = |place: &Place| matches!(place.host, Host::Network { name: None, .. });
    if tls.checks_name() && places.iter().any(nameless) {
        return Err("sslmode is verify-full, but only hostaddr is given: give host too, the name that the certificate must have".to_owned());
    }
    if tls.roots.is_some() {
        let revoked = own_file(environment, "root.crl").filter(|file| file.exists());
        if let Some(file) = revoked {
            return Err(format!(
                "{} lists revoked certificates, which libpq would refuse and rowcast cannot: move it away if that is meant",
                file.display()
            ));
        }
    }
    Ok(tls)
}

fn roots(parameters: &Parameters, mode: SslMode, environment: &Environment) -> Result<Option<Roots>, String> {
    match parameters.given("sslrootcert") {
        Some(given) if given.value == "system" => {
            if mode != SslMode::VerifyFull {
                // Anybody can have a certificate from one of those for some name.
                return Err(format!("sslrootcert=system proves nothing with sslmode={}: use verify-full", mode.name()));
            }
            Ok(Some(Roots::System))
        }
        Some(given) => match Path::new(&given.value) {
            file if file.exists() => Ok(Some(Roots::File(file.to_owned()))),
            file => Err(format!(
                "the root certificates of sslrootcert (from {}) are not there: {} does not exist",
                given.origin,
                file.display()
            )),
        },
        None => match own_file(environment, "root.crt") {
            Some(file) if file.exists() => Ok(Some(Roots::File(file))),
            file if mode >= SslMode::VerifyCa => Err(format!(
                "sslmode is {}, but there are no root certificates to check the server's by: put them into {}, or name them by sslrootcert (system for those of the machine)",
                mode.name(),
                file.unwrap_or_else(|| "~/.postgresql/root.crt".into()).display()
            )),
            _ => Ok(None),
        },
    }
}

fn certificate(parameters: &Parameters, environment: &Environment) -> Result<Option<ClientCertificate>, String> {
    let sent = one_of(parameters, "sslcertmode", &[("disable", false), ("allow", true)])
        .map_err(|why| format!("{why} (rowcast cannot insist that the server asks for a certificate)"))?;
    if sent == Some(false) {
        return Ok(None);
    }
    let (named, key) = (parameters.given("sslcert"), parameters.given("sslkey"));
    let certificate = match named {
        Some(given) => PathBuf::from(&given.value),
        None => match own_file(environment, "postgresql.crt").filter(|file| file.exists()) {
            Some(file) => file,
            None if key.is_some() => return Err("sslkey is given, but no certificate: name it by sslcert".to_owned()),
            None => return Ok(None),
        },
    };
    let key = key.map(|given| PathBuf::from(&given.value)).or_else(|| own_file(environment, "postgresql.key"));
    let key = key.ok_or("sslcert is given, but no key: name it by sslkey")?;
    for (what, file) in [("the client's certificate", &certificate), ("the key of the client's certificate", &key)] {
        if !file.exists() {
            return Err(format!("{what} is not there: {} does not exist", file.display()));
        }
    }
    Ok(Some(ClientCertificate { certificate, key }))
}

/// Older ones than 1.2 are never spoken, so to allow them changes nothing; to allow no newer ones leaves none.
fn versions(parameters: &Parameters) -> Result<Vec<TlsVersion>, String> {
    use TlsVersion::{Tls12, Tls13};
    let lowest = [("TLSv1", Tls12), ("TLSv1.1", Tls12), ("TLSv1.2", Tls12), ("TLSv1.3", Tls13)];
    let low = one_of(parameters, "ssl_min_protocol_version", &lowest)?.unwrap_or(Tls12);
    let high = one_of(parameters, "ssl_max_protocol_version", &lowest[2..])?.unwrap_or(Tls13);
    let versions: Vec<TlsVersion> = [Tls12, Tls13].into_iter().filter(|version| (low..=high).contains(version)).collect();
    if versions.is_empty() {
        return Err("ssl_min_protocol_version is above ssl_max_protocol_version".to_owned());
    }
    Ok(versions)
}

/// A file of the person's own, where libpq looks for it.
fn own_file(environment: &Environment, name: &str) -> Option<PathBuf> {
    Some(environment.home.as_ref()?.join(".postgresql").join(name))
}

//! What a connection that could not be made says to a person: which way was tried, what failed, and what to do.

use std::error::Error as Source;
use std::io;

use rustls::{AlertDescription, CertificateError, OtherError};

use super::connect::Attempt;
use crate::config::{Address, Host, Roots};
use crate::error::Error;

/// The failure of an attempt, as a sentence.
pub fn failure(error: tokio_postgres::Error, address: &Address, attempt: &Attempt) -> Error {
    let what_to_do = what_to_do(&error, address);
    let way = match &attempt.place.host {
        Host::Socket(_) => format!("{}", attempt.place),
        Host::Network { .. } => {
            let tls = if attempt.tls.is_some() { "with TLS" } else { "without TLS" };
            format!("{}, {tls}, sslmode={}", attempt.place, address.tls.mode.name())
        }
    };
    let error = Error::from(error);
    let what_to_do = what_to_do.map(|what| format!(": {what}")).unwrap_or_default();
    Error { detail: format!("{} ({way}){what_to_do}", error.detail), ..error }
}

/// Whether nothing answered at all, so that another way to the same place would not either.
pub fn is_out_of_reach(error: &tokio_postgres::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound, PermissionDenied, TimedOut};
    let kinds = [ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound, PermissionDenied, TimedOut];
    io_error(error).is_some_and(|error| kinds.contains(&error.kind()))
}

/// Whether the server answered that it has no TLS.
pub fn has_no_tls(error: &tokio_postgres::Error) -> bool {
    // The crate has no kind for it.
    error.source().is_some_and(|source| source.to_string() == "server does not support TLS")
}

fn what_to_do(error: &tokio_postgres::Error, address: &Address) -> Option<String> {
    if has_no_tls(error) {
        return Some("the server has no TLS; turn ssl on there (its postgresql.conf), or go by a socket of the same machine".to_owned());
    }
    if error.source().is_some_and(|source| source.to_string() == "password missing") {
        return Some("the server asks for a password: give it as PGPASSWORD, or as a line of the password file ~/.pgpass".to_owned());
    }
    let rustls = io_error(error)?.get_ref()?.downcast_ref::<rustls::Error>()?;
    match rustls {
        rustls::Error::InvalidCertificate(error) => certificate(error, address),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            Some("the server wants a client's certificate: name one by sslcert and sslkey".to_owned())
        }
        rustls::Error::AlertReceived(_) => {
            let own = address.tls.certificate.as_ref().map(|own| own.certificate.display().to_string());
            Some(match own {
                Some(own) => format!("the server did not accept the client's certificate {own}; its log says why"),
                None => "the server ended the handshake; its log says why".to_owned(),
            })
        }
        _ => None,
    }
}

fn certificate(error: &CertificateError, address: &Address) -> Option<String> {
    let roots = match &address.tls.roots {
        Some(Roots::File(file)) => file.display().to_string(),
        Some(Roots::System) => "those that this machine trusts".to_owned(),
        None => return None,
    };
    let what = match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("the server's certificate is signed by none of {roots}; put the certificate of its authority there (sslrootcert)")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "ask for the server by a name that is in its certificate, or have one made for this name".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the server's certificate is to be renewed".to_owned(),
        CertificateError::BadEncoding | CertificateError::Other(OtherError(_)) => {
            "the server's certificate is of a form that is not read, such as X.509 version 1; have one made of version 3, with a subjectAltName"
                .to_owned()
        }
        _ => return None,
    };
    Some(what)
}

fn io_error(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

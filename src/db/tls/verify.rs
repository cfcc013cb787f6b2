//! Whether a server's certificate proves what `sslmode` asks for, by libpq's rules where they are wider than rustls' own.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The certificates that a server's must come from.
#[derive(Debug)]
pub struct Trusted {
    pub store: RootCertStore,
    /// The same as they are in the file: a server's own, signed by itself, may be among them.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Checks a server's certificate: nothing of it, its chain, or its chain and its name.
#[derive(Debug)]
pub struct Verifier {
    trusted: Option<Trusted>,
    name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub fn new(trusted: Option<Trusted>, name: bool, algorithms: WebPkiSupportedAlgorithms) -> Verifier {
        Verifier { trusted, name, algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if trusted.certificates.contains(end_entity) {
            // Often the server's own self-signed one, which is its own authority; rustls would have it sign another.
            check_validity(end_entity, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(&certificate, &trusted.store, intermediates, now, self.algorithms.all)?;
        }
        if self.name
            && let Err(error) = verify_server_name(&certificate, server_name)
            && !is_common_name(end_entity, server_name)
        {
            return Err(error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    /// That the server has the certificate's key is checked in every mode: channel binding rests on it. By the bare key,
    /// so that a certificate of version 1 will do where nothing else of it is asked.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = parse(cert)?.tbs_certificate.subject_public_key_info.to_der().map_err(|_| CertificateError::BadEncoding)?;
        verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key), dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let validity = parse(certificate)?.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether the certificate was made for this name in the old way: by its subject's common name, which libpq looks at
/// where there is no subjectAltName for a name or an address.
fn is_common_name(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>) -> bool {
    let Ok(certificate) = parse(certificate) else { return false };
    let Ok(alternatives) = certificate.tbs_certificate.get::<SubjectAltName>() else { return false };
    let is_name = |name: &GeneralName| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_));
    if alternatives.is_some_and(|(_, alternatives)| alternatives.0.iter().any(is_name)) {
        return false;
    }
    let wanted = server_name.to_str();
    let attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let mut common_names = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
    common_names.any(|attribute| std::str::from_utf8(attribute.value.value()).is_ok_and(|name| matches(name, &wanted, server_name)))
}

/// Equal but for case; a star stands for the first part of a host's name.
fn matches(name: &str, wanted: &str, server_name: &ServerName<'_>) -> bool {
    if name.eq_ignore_ascii_case(wanted) {
        return true;
    }
    match (name.strip_prefix("*."), wanted.split_once('.'), server_name) {
        (Some(domain), Some((_, rest)), ServerName::DnsName(_)) => domain.contains('.') && domain.eq_ignore_ascii_case(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

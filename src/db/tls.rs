//! rustls, set up for one connection from the files that the address names.

mod verify;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{ClientCertificate, Roots, Tls, TlsVersion};
use crate::error::{Error, Result};
use verify::{Trusted, Verifier};

/// What makes TLS of a connection. Reads the certificates, so that renewed ones need no restart.
pub fn connector(tls: &Tls) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: Vec<&'static SupportedProtocolVersion> = tls.versions.iter().map(|version| version_of(*version)).collect();
    let trusted = tls.roots.as_ref().map(trusted).transpose()?;
    let verifier = Verifier::new(trusted, tls.checks_name(), provider.signature_verification_algorithms);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.certificate {
        Some(own) => {
            let (chain, key) = own_certificate(own)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                Error::bad_request(format!(
                    "the client's certificate {} and its key {} cannot be used: {error}",
                    own.certificate.display(),
                    own.key.display()
                ))
            })?
        }
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = tls.tell_name;
    Ok(MakeRustlsConnect::new(config))
}

fn version_of(version: TlsVersion) -> &'static SupportedProtocolVersion {
    match version {
        TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    }
}

fn trusted(roots: &Roots) -> Result<Trusted> {
    let (certificates, from) = match roots {
        Roots::File(file) => (certificates(file, "the root certificates")?, file.display().to_string()),
        // What of the machine's store cannot be read is not trusted, and nothing more.
        Roots::System => (rustls_native_certs::load_native_certs().certs, "this machine's store".to_owned()),
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(Error::bad_request(format!("there is no root certificate in {from} to check the server's by (sslrootcert)")));
    }
    Ok(Trusted { store, certificates })
}

fn own_certificate(own: &ClientCertificate) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    check_key_file(&own.key)?;
    let key = PrivateKeyDer::from_pem_file(&own.key).map_err(|error| {
        Error::bad_request(format!(
            "the key of the client's certificate cannot be read from {}: {error} (one with a passphrase is to be decrypted)",
            own.key.display()
        ))
    })?;
    Ok((certificates(&own.certificate, "the client's certificate")?, key))
}

fn certificates(file: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let wrong = |why: String| Error::bad_request(format!("{what} cannot be read from {}: {why}", file.display()));
    let read = CertificateDer::pem_file_iter(file).and_then(|certificates| certificates.collect::<std::result::Result<Vec<_>, _>>());
    match read {
        Ok(certificates) if certificates.is_empty() => Err(wrong("there is no certificate in it".to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// libpq's rule: a key is the person's own and read by nobody else, or root's and read by a group at most.
fn check_key_file(file: &Path) -> Result<()> {
    let metadata = fs::metadata(file)
        .map_err(|error| Error::bad_request(format!("the key of the client's certificate, {}, cannot be read: {error}", file.display())))?;
    let others = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    if metadata.mode() & others != 0 {
        return Err(Error::bad_request(format!(
            "the key of the client's certificate, {0}, can be read by others: run chmod 600 {0}",
            file.display()
        )));
    }
    Ok(())
}

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;

use super::*;

/// Checks by these certificates, as those of a file; `name` as in verify-full.
fn verifier(trusted: &[CertificateDer<'static>], name: bool) -> Verifier {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(trusted.iter().cloned());
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    Verifier::new(Some(Trusted { store, certificates: trusted.to_vec() }), name, algorithms)
}

fn accepts(verifier: &Verifier, certificate: &CertificateDer<'_>, host: &str) -> Result<(), Error> {
    let host = ServerName::try_from(host.to_owned()).unwrap();
    verifier.verify_server_cert(certificate, &[], &host, &[], UnixTime::now()).map(drop)
}

fn named(common_name: &str, alternatives: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(alternatives.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn authority(name: &str) -> (CertificateDer<'static>, Issuer<'static, KeyPair>) {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().der().clone(), Issuer::new(params, key))
}

fn signed(params: &CertificateParams, by: &Issuer<KeyPair>) -> CertificateDer<'static> {
    params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().clone()
}

#[test]
fn the_chain_is_checked_and_the_name_where_it_matters() {
    let (root, issuer) = authority("one");
    let (other_root, other) = authority("two");
    let good = signed(&named("x", &["db.test", "10.0.0.1"]), &issuer);
    let (full, chain) = (verifier(std::slice::from_ref(&root), true), verifier(std::slice::from_ref(&root), false));
    for host in ["db.test", "DB.test", "10.0.0.1"] {
        assert_eq!(accepts(&full, &good, host), Ok(()), "{host}");
    }
    for host in ["other.test", "x.db.test", "10.0.0.2"] {
        assert!(accepts(&full, &good, host).is_err(), "{host}");
        assert_eq!(accepts(&chain, &good, host), Ok(()), "{host}");
    }
    let strange = signed(&named("x", &["db.test"]), &other);
    assert!(accepts(&full, &strange, "db.test").is_err() && accepts(&chain, &strange, "db.test").is_err());
    assert_eq!(accepts(&verifier(&[root, other_root], true), &strange, "db.test"), Ok(()));
    // Without roots nothing is asked.
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    assert_eq!(accepts(&Verifier::new(None, false, algorithms), &strange, "x"), Ok(()));
}

#[test]
fn a_certificate_is_worth_something_in_its_time_only() {
    let (root, issuer) = authority("one");
    let full = verifier(&[root], true);
    for (from, to) in [(2001, 2002), (4001, 4002)] {
        let mut params = named("x", &["db.test"]);
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        assert!(accepts(&full, &signed(&params, &issuer), "db.test").is_err(), "{from}");
        let own = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        assert!(accepts(&verifier(std::slice::from_ref(&own), true), &own, "db.test").is_err(), "self-signed, {from}");
    }
}

#[test]
fn a_self_signed_certificate_in_the_file_is_its_own_authority() {
    let mut params = named("db.test", &[]);
    // As `openssl req -x509` makes them.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let make = || params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    let (own, same_name) = (make(), make());
    let full = verifier(std::slice::from_ref(&own), true);
    assert_eq!(accepts(&full, &own, "db.test"), Ok(()));
    assert!(accepts(&full, &own, "other.test").is_err());
    assert!(accepts(&full, &same_name, "db.test").is_err());
}

#[test]
fn the_common_name_counts_where_there_is_no_other() {
    let (root, issuer) = authority("one");
    let full = verifier(&[root], true);
    let check =
        |common_name, alternatives: &[&str], host| accepts(&full, &signed(&named(common_name, alternatives), &issuer), host).is_ok();
    assert!(check("db.test", &[], "db.test") && check("DB.test", &[], "db.test"));
    assert!(check("*.test.org", &[], "db.test.org"));
    assert!(!check("*.test.org", &[], "a.db.test.org") && !check("*.test.org", &[], "test.org") && !check("*.org", &[], "org"));
    assert!(!check("db.test", &["other.test"], "db.test"));
    assert!(check("x", &["*.test.org"], "db.test.org"));
    assert!(!check("other.test", &[], "db.test"));
}

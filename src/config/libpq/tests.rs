use std::fs;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Environment { variables, home: None, user: Some("me".to_owned()) }
}

fn gather(string: &str, variables: &[(&str, &str)]) -> Result<Parameters, String> {
    Parameters::gather(string, "the address", &environment(variables))
}

/// The keywords that are not empty, as one line.
fn shown(parameters: &Parameters) -> String {
    parameters.0.iter().filter(|(_, given)| !given.value.is_empty()).map(|(name, given)| format!("{name}={};", given.value)).collect()
}

#[test]
fn both_forms_of_a_string_are_understood() {
    for (string, meaning) in [
        ("postgresql://", ""),
        ("postgresql:///shop", "dbname=shop;"),
        ("postgres://app@db/shop", "dbname=shop;host=db;user=app;"),
        ("postgresql://app:a%40b%3A@db:5433/my%20shop", "dbname=my shop;host=db;password=a@b:;port=5433;user=app;"),
        ("postgresql://a:1,b,[::1]:3/", "host=a,b,::1;port=1,,3;"),
        ("postgresql://%2Frun%2Fpg/shop", "dbname=shop;host=/run/pg;"),
        ("postgresql://app@/shop?host=/run/pg&port=5433", "dbname=shop;host=/run/pg;port=5433;user=app;"),
        // What comes later holds.
        ("postgresql://db/shop?dbname=other&host=x", "dbname=other;host=x;"),
        ("postgresql://u:a?b@db", "host=db;password=a?b;user=u;"),
        ("postgresql://db?ssl=true", "host=db;sslmode=require;"),
        ("postgresql://db?sslmode=verify-full&sslrootcert=%2Fa%2Fb", "host=db;sslmode=verify-full;sslrootcert=/a/b;"),
        ("host=db dbname=shop", "dbname=shop;host=db;"),
        (r"  host = db password = 'it\'s a \\' user='' ", r"host=db;password=it's a \;"),
        (r"password=a\ b dbname=x", "dbname=x;password=a b;"),
    ] {
        assert_eq!(gather(string, &[]).map(|parameters| shown(&parameters)).as_deref(), Ok(meaning), "{string}");
    }
}

#[test]
fn a_string_that_is_broken_is_refused_without_repeating_it() {
    for string in [
        "mysql://app:hunter2@db/shop",
        "hunter2",
        "host=db hunter2",
        "password='hunter2",
        "postgresql://app:hunter2@[::1/shop",
        "postgresql://app:hunter2%zz@db",
        "postgresql://db?hunter2",
        "password=two Hunter2=words",
    ] {
        let why = gather(string, &[]).unwrap_err();
        assert!(why.starts_with("the address ") && !why.to_lowercase().contains("hunter2"), "{string}: {why}");
    }
    let why = gather("host=db sslmod=require", &[]).unwrap_err();
    assert!(why.contains("`sslmod`") && why.contains("`sslmode`"), "{why}");
    let why = gather("postgresql://db?hots=x", &[]).unwrap_err();
    assert!(why.contains("`host`"), "{why}");
}

#[test]
fn the_string_is_over_the_service_and_that_over_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let (own, system) = (folder.path().join("own"), folder.path().join("pg_service.conf"));
    fs::write(&own, "# mine\n[other]\nhost=wrong\n\n[shop]\nhost=service\nport=5433\nport=1\nuser=service\n[next]\ndbname=wrong\n")
        .unwrap();
    fs::write(&system, "[everybody]\nhost=system\n[broken]\nhost\n[ldap]\nldap://x\n[nested]\nservice=shop\n[slip]\nsslmod=require\n")
        .unwrap();
    let (own, directory) = (own.to_str().unwrap(), folder.path().to_str().unwrap());
    let variables = |service| {
        let others = [("PGUSER", "variable"), ("PGHOST", "variable"), ("PGDATABASE", "variable"), ("PGPASSWORD", "")];
        [("PGSERVICE", service), ("PGSERVICEFILE", own), ("PGSYSCONFDIR", directory)].into_iter().chain(others).collect::<Vec<_>>()
    };
    let found = gather("user=string", &variables("shop")).unwrap();
    assert_eq!(shown(&found), format!("dbname=variable;host=service;port=5433;service=shop;servicefile={own};user=string;"));
    assert_eq!(found.given("host").unwrap().origin, format!("the service shop in {own}"));
    assert_eq!(found.given("dbname").unwrap().origin, "PGDATABASE");
    assert_eq!(found.given("user").unwrap().origin, "the address");
    // A service that the string names is before the variable's; the file of the whole machine comes last.
    let found = gather("service=everybody", &variables("shop")).unwrap();
    assert_eq!(found.get("host"), Some("system"));
    for (service, reason) in
        [("nowhere", "[nowhere]"), ("broken", "line 4"), ("ldap", "LDAP"), ("nested", "another"), ("slip", "`sslmode`")]
    {
        let why = gather("", &variables(service)).unwrap_err();
        assert!(why.contains(reason), "{service}: {why}");
    }
    let why = gather("service=shop servicefile=/nowhere", &[]).unwrap_err();
    assert!(why.contains("/nowhere"), "{why}");
}

#[test]
fn what_would_weaken_the_connection_is_refused_by_name() {
    let refuse = |string: &str, variables: &[(&str, &str)], reached| {
        gather(string, variables).unwrap().refuse_what_is_not_understood(&[reached], &environment(variables))
    };
    for (variable, value, harmless, reach) in [
        ("PGSSLCRL", "/a", "", Reach::Network),
        ("PGSSLCRLDIR", "/a", "", Reach::Network),
        ("PGREQUIREPEER", "postgres", "", Reach::Socket),
        ("PGGSSENCMODE", "require", "prefer", Reach::Network),
        ("PGSSLNEGOTIATION", "direct", "postgres", Reach::Network),
        ("PGSSLCOMPRESSION", "1", "0", Reach::Network),
        ("PGREQUIREAUTH", "scram-sha-256", "", Reach::Network),
        ("PGREQUIRESSL", "1", "", Reach::Network),
        ("PGMINPROTOCOLVERSION", "3.2", "3.0", Reach::Network),
    ] {
        let why = refuse("", &[(variable, value)], reach).unwrap_err();
        assert!(why.contains(variable), "{why}");
        assert_eq!(refuse("", &[(variable, harmless)], reach), Ok(()), "{variable}");
    }
    for string in ["sslpassword=x", "sslcrl=/a", "replication=database", "oauth_issuer=x", "sslkeylogfile=/a"] {
        assert!(refuse(string, &[], Reach::Network).is_err(), "{string}");
    }
    // By a socket there is no TLS that could be weakened, by TCP no peer to ask for; and a string can take a variable back.
    assert_eq!(refuse("", &[("PGSSLCRL", "/a")], Reach::Socket), Ok(()));
    assert_eq!(refuse("", &[("PGREQUIREPEER", "postgres")], Reach::Network), Ok(()));
    assert_eq!(refuse("sslcrl=''", &[("PGSSLCRL", "/a")], Reach::Network), Ok(()));
    assert_eq!(refuse("client_encoding=latin1 krbsrvname=x", &[], Reach::Network), Ok(()));
}

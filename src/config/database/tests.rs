use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Home {
    folder: tempfile::TempDir,
    environment: Environment,
}

/// A person without any files, but for those that a test writes.
fn home(variables: &[(&str, &str)]) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = Environment { variables, home: Some(folder.path().to_owned()), user: Some("me".to_owned()) };
    Home { folder, environment }
}

impl Home {
    fn resolve(&self, string: &str) -> std::result::Result<Address, String> {
        Address::resolve(string, "the address", &self.environment)
    }

    fn write(&self, file: &str, text: &str) -> String {
        let file = self.folder.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

#[test]
fn what_is_left_open_gets_libpqs_defaults() {
    let address = home(&[]).resolve("").unwrap();
    assert_eq!((address.user.as_str(), address.database.as_str(), address.application_name.as_str()), ("me", "me", "rowcast"));
    assert_eq!(address.places, [Place { host: Host::Socket(resolve::socket_directory().to_owned()), port: 5432 }]);
    assert_eq!(address.tls.mode, SslMode::Prefer);
    assert_eq!(address.connect_timeout, Some(Duration::from_secs(5)));
    let address = home(&[("PGUSER", "app"), ("PGAPPNAME", "shop"), ("PGCONNECT_TIMEOUT", "0")]).resolve("").unwrap();
    assert_eq!((address.database.as_str(), address.application_name.as_str(), address.connect_timeout), ("app", "shop", None));
    let nobody = Environment::default();
    assert!(Address::resolve("", "the address", &nobody).unwrap_err().contains("PGUSER"));
}

#[test]
fn several_hosts_have_a_port_each_or_one_for_all() {
    let shown = |string: &str| home(&[("PGPORT", "7")]).resolve(string).map(|address| address.to_string());
    for (string, places) in [
        ("host=a,b", "a:7, b:7"),
        ("host=a,b port=1,2", "a:1, b:2"),
        ("host=a,b port=1,", "a:1, b"),
        ("postgresql://a:1,b/x", "a:1, b"),
        ("postgresql://a,b/x", "a, b"),
        ("host=/run/x,b", "/run/x:7, b:7"),
        ("hostaddr=127.0.0.1,::1", "127.0.0.1:7, ::1:7"),
    ] {
        let shown = shown(string).unwrap();
        assert!(shown.contains(&format!(" on {places} as role me")), "{string}: {shown}");
    }
    for (string, reason) in [
        ("host=a,b port=1,2,3", "3 ports"),
        ("host=a hostaddr=127.0.0.1,127.0.0.2", "hostaddr 2"),
        ("hostaddr=db", "no address"),
        ("port=0", "65535"),
        ("postgresql://u:pa/ss@db", "65535"),
        ("host=@x", "abstract"),
    ] {
        let why = shown(string).unwrap_err();
        assert!(why.contains(reason) && !why.contains("pa"), "{string}: {why}");
    }
}

#[test]
fn a_value_that_is_none_is_refused_with_those_that_there_are() {
    for (string, reason) in [
        ("sslmode=verify", "verify-full"),
        ("channel_binding=yes", "require"),
        ("target_session_attrs=standby", "read-write"),
        ("load_balance_hosts=yes", "random"),
        ("connect_timeout=soon", "\"soon\""),
        ("ssl_max_protocol_version=TLSv1.1", "TLSv1.2"),
        ("host=x ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2", "above"),
        ("host=x sslcertmode=require", "insist"),
    ] {
        let why = home(&[]).resolve(string).unwrap_err();
        assert!(why.contains(reason), "{string}: {why}");
    }
    let address = home(&[]).resolve("target_session_attrs=primary keepalives=0 tcp_user_timeout=1500 keepalives_idle=7").unwrap();
    assert!(address.read_write && !address.silence.keepalives);
    assert_eq!((address.silence.user_timeout, address.silence.idle), (Duration::from_millis(1_500), Duration::from_secs(7)));
}

#[test]
fn a_password_is_taken_from_the_string_the_variable_then_the_file() {
    let home = home(&[]);
    home.write(".pgpass", "db:5433:*:*:for db\nlocalhost:*:*:*:for sockets\n/run/x:*:*:*:for x\n127.0.0.1:*:*:*:for an address\n");
    let passwords = |string: &str| {
        let address = home.resolve(string).unwrap();
        address.places.iter().map(|place| address.password(place)).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(passwords("host=db,db port=5433,1"), [some("for db"), None]);
    assert_eq!(passwords("dbname=x"), [some("for sockets")]);
    assert_eq!(passwords("host=/run/x"), [some("for x")]);
    assert_eq!(passwords("hostaddr=127.0.0.1"), [some("for an address")]);
    assert_eq!(passwords("host=db hostaddr=127.0.0.1 port=5433"), [some("for db")]);
    assert_eq!(passwords("host=db port=5433 password=given"), [some("given")]);
    let other = home.write("other", "*:*:*:*:another file\n");
    assert_eq!(passwords(&format!("host=db port=5433 passfile={other}")), [some("another file")]);
    let with_variable = Environment { variables: [("PGPASSWORD".to_owned(), "variable".to_owned())].into(), ..home.environment.clone() };
    let address = Address::resolve("host=db port=5433", "the address", &with_variable).unwrap();
    assert_eq!(address.password(&address.places[0]), some("variable"));
    assert!(!format!("{address:?} {address}").contains("variable"));
}

#[test]
fn what_tls_must_prove_follows_the_mode_and_the_files_that_are_there() {
    let empty = home(&[]);
    let roots = |home: &Home, string: &str| home.resolve(string).map(|address| address.tls.roots);
    assert_eq!(roots(&empty, "host=db sslmode=require"), Ok(None));
    for mode in ["verify-ca", "verify-full"] {
        let why = roots(&empty, &format!("host=db sslmode={mode}")).unwrap_err();
        assert!(why.contains(mode) && why.contains(".postgresql/root.crt"), "{why}");
    }
    assert!(roots(&empty, "host=db sslmode=require sslrootcert=/nowhere").unwrap_err().contains("/nowhere"));
    // A socket never has TLS, so nothing is missing.
    assert_eq!(roots(&empty, "host=/run/x sslmode=verify-full"), Ok(None));
    assert_eq!(roots(&empty, "host=db sslmode=disable sslrootcert=/nowhere"), Ok(None));

    let with_root = home(&[]);
    let file = with_root.write(".postgresql/root.crt", "");
    for mode in ["allow", "prefer", "require", "verify-ca", "verify-full"] {
        assert_eq!(roots(&with_root, &format!("host=db sslmode={mode}")), Ok(Some(Roots::File(file.clone().into()))), "{mode}");
    }
    assert!(with_root.resolve("hostaddr=127.0.0.1 sslmode=verify-full").unwrap_err().contains("host too"));
    assert!(with_root.resolve("host=db hostaddr=127.0.0.1 sslmode=verify-full").is_ok());
    with_root.write(".postgresql/root.crl", "");
    assert!(with_root.resolve("host=db sslmode=require").unwrap_err().contains("root.crl"));

    let system = empty.resolve("host=db sslrootcert=system").unwrap().tls;
    assert_eq!((system.mode, system.roots), (SslMode::VerifyFull, Some(Roots::System)));
    assert!(empty.resolve("host=db sslrootcert=system sslmode=require").unwrap_err().contains("verify-full"));
}

#[test]
fn a_certificate_of_its_own_is_found_or_named() {
    let home = home(&[]);
    let certificate = |string: &str| home.resolve(string).map(|address| address.tls.certificate);
    assert_eq!(certificate("host=db"), Ok(None));
    assert!(certificate("host=db sslcert=/nowhere sslkey=/nowhere").unwrap_err().contains("/nowhere"));
    assert!(certificate("host=db sslkey=/nowhere").unwrap_err().contains("sslcert"));
    home.write(".postgresql/postgresql.crt", "");
    assert!(certificate("host=db").unwrap_err().contains("postgresql.key"));
    home.write(".postgresql/postgresql.key", "");
    assert!(certificate("host=db").unwrap().is_some());
    assert_eq!(certificate("host=db sslcertmode=disable"), Ok(None));
}

#[test]
fn the_string_then_the_variables_then_the_private_cluster() {
    let with = |variables: &[(&str, &str)]| home(variables).environment.clone();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("database_url");
    let find = |database_url, environment: &_| super::find(database_url, environment, &file);
    let nothing = with(&[]);
    assert!(find(None, &nothing).unwrap_err().contains("./reinitdb.sh"));
    assert!(find(Some(" "), &nothing).unwrap_err().contains("./reinitdb.sh"));
    let variables = with(&[("PGDATABASE", "shop"), ("PGUSER", "app")]);
    assert_eq!(find(None, &variables).unwrap().database, "shop");
    let both = find(Some("host=db dbname=mine"), &variables).unwrap();
    assert_eq!((both.database.as_str(), both.user.as_str()), ("mine", "app"));
    // A password alone does not say where.
    assert!(find(None, &with(&[("PGPASSWORD", "x")])).is_err());
    assert!(find(None, &with(&[("PGSERVICE", "x")])).unwrap_err().contains("[x]"));
    std::fs::write(&file, "postgresql://rowcast@/helloworld?host=/private").unwrap();
    assert_eq!(find(None, &nothing).unwrap().database, "helloworld");
    assert_eq!(find(None, &variables).unwrap().database, "shop");
}

//! The table of kinds: after each statement a replica is what a SELECT finds.

use super::kind::Kind;
use super::list::KINDS;
use crate::support::replica::{Replica, selected};
use crate::support::{Database, Server, database, server};

#[test]
fn a_replica_of_every_kind_is_what_a_select_finds_after_every_kind_of_statement() {
    let database = database();
    for kind in KINDS {
        database.psql(&format!("{}; select rowcast.watch('{}', 40)", kind.create, kind.sql_name.replace('\'', "''")));
    }
    let exposed: Vec<String> = KINDS.iter().map(|kind| format!("{} = \"r\"", serde_json::Value::from(kind.exposed_name))).collect();
    let server = server(&database, &format!("[expose]\n{}\n", exposed.join("\n")));
    KINDS.iter().for_each(|kind| play(&database, &server, kind));
}

fn play(database: &Database, server: &Server, kind: &Kind) {
    let mut client = database.client();
    let merge = client.query_one("select current_setting('server_version_num')::int >= 150000", &[]).unwrap().get(0);
    let folder = tempfile::tempdir().unwrap();
    let mut replica = Replica::of(server, kind.exposed_name);
    for (statement, is_reset) in kind.statements(merge, folder.path()) {
        let resets = replica.resets;
        database.psql(&statement);
        replica.follow(server);
        let rows = if kind.create.contains("partition by") { kind.sql_name.to_owned() } else { format!("only {}", kind.sql_name) };
        assert_eq!(replica.rows(), selected(&mut client, &rows), "{} after: {statement}", kind.sql_name);
        assert_eq!(replica.resets > resets, is_reset, "{} after: {statement}", kind.sql_name);
    }
    assert!(replica.told.len() > 10, "{}: {:?}", kind.sql_name, replica.told);
}

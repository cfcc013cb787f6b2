//! Findings about the database's server, the connection to it, and whether a server of ours keeps the log short.

use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, SimpleQueryMessage};

use super::super::install::connect;
use super::{Finding, Mend, Wanted};
use crate::config::Address;
use crate::error::Result;

/// How long a notification may take.
const ECHO: Duration = Duration::from_secs(2);

/// The oldest version of PostgreSQL that has all that the cursor is made of.
const OLDEST_SERVER: i32 = 130_000;

/// Pruning is done now and then: a log this much longer than the retention is not pruned at all.
const SLACK: Duration = Duration::from_secs(120);

/// Why nothing else can be looked at: the version, a standby, a pooler. Asked without prepared statements, which a pooler
/// may lose.
pub fn unfit(client: &mut Client, config: &Address) -> Result<Option<Finding>> {
    let messages = client.simple_query("select current_setting('server_version_num'), pg_is_in_recovery()")?;
    let rows = messages.iter().filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
    let (version, standby) = rows.map(|row| (row.get(0).unwrap_or_default(), row.get(1) == Some("t"))).next().unwrap_or_default();
    if let Some(finding) = too_old(version.parse().unwrap_or(0)) {
        return Ok(Some(finding));
    }
    if standby {
        let what = "the database is a standby: it can be read, but neither LISTEN nor the log's epoch work on it";
        return Ok(Some(Finding::new(what, Mend::hand("name the primary in DATABASE_URL"))));
    }
    deaf(client, config)
}

fn too_old(server: i32) -> Option<Finding> {
    (server < OLDEST_SERVER).then(|| {
        let what = format!("the server is PostgreSQL {}, and rowcast needs 13 or later", server / 10_000);
        Finding::new(what, Mend::hand("upgrade PostgreSQL"))
    })
}

pub fn look(client: &mut Client, wanted: &Wanted) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    findings.extend(superuser(client, wanted)?);
    findings.extend(silent_writers(client)?);
    let prepared: String = client.query_one("show max_prepared_transactions", &[])?.get(0);
    if prepared != "0" {
        findings.push(Finding::hint(
            format!("max_prepared_transactions is {prepared}: PostgreSQL refuses to prepare a transaction that has rung the bell"),
            Mend::hand("whoever uses PREPARE TRANSACTION calls rowcast.prepare_quietly() right after BEGIN; nobody else need care"),
        ));
    }
    Ok(findings)
}

fn superuser(client: &mut Client, wanted: &Wanted) -> Result<Option<Finding>> {
    let row = client.query_one("select rolname::text, rolsuper from pg_roles where rolname = current_user", &[])?;
    let (role, superuser): (String, bool) = (row.get(0), row.get(1));
    let finding = Finding {
        what: format!("the server's role {role} is a superuser, who passes every check of rights"),
        mend: Mend::hand(
            "make a role for the server (create role … login), name it in DATABASE_URL, and check again: what it needs is told",
        ),
        hint: wanted.allow_superuser,
    };
    Ok(superuser.then_some(finding))
}

/// LISTEN has to deliver: it does not behind a pooler that hands out another session for each transaction. Another
/// connection notifies, because a pooler may answer one client by one session for a while.
fn deaf(client: &mut Client, config: &Address) -> Result<Option<Finding>> {
    client.batch_execute("listen rowcast_check")?;
    connect(config)?.batch_execute("notify rowcast_check")?;
    let heard = client.notifications().timeout_iter(ECHO).next()?.is_some();
    client.batch_execute("unlisten rowcast_check")?;
    Ok((!heard).then(|| {
        Finding::new(
            "LISTEN does not deliver on this connection: changes would arrive with the slow timer only. Is it behind pgbouncer?",
            Mend::hand(
                "name an address that leads to PostgreSQL itself as tail_database_url, or let pgbouncer pool sessions, not transactions",
            ),
        )
    }))
}

/// Sessions that start with session_replication_role = replica fire no trigger of ours.
fn silent_writers(client: &mut Client) -> Result<Vec<Finding>> {
    const REPLICA: &str = "
        select case when s.setrole = 0 then format('database %I', d.datname)
                    when s.setdatabase = 0 then format('role %I', r.rolname) else format('role %I in database %I', r.rolname, d.datname) end
        from pg_db_role_setting s
        left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase
        where (s.setdatabase = 0 or d.datname = current_database())
          and exists (select from unnest(s.setconfig) as c (line) where lower(c.line) = 'session_replication_role=replica')
        order by 1";
    let rows = client.query(REPLICA, &[])?;
    let finding = |row: &postgres::Row| {
        let whose: String = row.get(0);
        Finding::new(
            format!("session_replication_role is replica for {whose}: what its sessions write fires no trigger, and is not captured"),
            Mend::by_superuser(format!("alter {whose} reset session_replication_role")),
        )
    };
    Ok(rows.iter().map(finding).collect())
}

/// Whether the log is pruned.
pub fn retention(client: &mut Client, wanted: &Wanted) -> Result<Option<Finding>> {
    let Some(keep) = wanted.keep else { return Ok(None) };
    let row = client.query_one(
        "select extract(epoch from clock_timestamp() - min(c.time))::float8, count(*), pg_total_relation_size('rowcast.change')
         from rowcast.change c",
        &[],
    )?;
    let (age, rows, bytes): (Option<f64>, i64, i64) = (row.get(0), row.get(1), row.get(2));
    let long = age.filter(|&age| age > (keep + keep / 2 + SLACK).as_secs_f64());
    Ok(long.map(|age| {
        Finding::new(
            format!(
                "the log holds {rows} changes in {bytes} bytes, the oldest {age:.0} s old, but its retention is {} s: no server prunes it",
                keep.as_secs()
            ),
            Mend::rowcast(&["serve"]),
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_13_is_too_old() {
        assert!(too_old(120_017).is_some_and(|finding| finding.what.contains("PostgreSQL 12") && !finding.hint));
        assert!(too_old(130_000).is_none());
    }
}

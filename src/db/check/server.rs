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

/// A log that is larger than its limit by less than this is nothing to speak of.
const ROOM_BYTES: u64 = 64 << 20;

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
    findings.extend(uncounted(client)?);
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

/// By PostgreSQL's count of written rows the triggers know when to count a transaction's, and autovacuum when to come.
fn uncounted(client: &mut Client) -> Result<Option<Finding>> {
    const UNCOUNTED: &str = "
        select case s.source
            when 'database' then format('alter database %I reset track_counts', current_database())
            when 'user' then format('alter role %I reset track_counts', session_user)
            when 'database user' then format('alter role %I in database %I reset track_counts', session_user, current_database())
            else 'alter system set track_counts = on; select pg_reload_conf()' end
        from pg_settings s where s.name = 'track_counts' and s.setting = 'off'";
    let what = "track_counts is off: transactions of any size are logged row by row, and autovacuum never comes";
    Ok(client.query_opt(UNCOUNTED, &[])?.map(|row| Finding::new(what, Mend::by_superuser(row.get::<_, String>(0)))))
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

/// Sessions that start with session_replication_role = replica fire no trigger of ours that does not fire always.
pub fn silent_writers(client: &mut Client) -> Result<Vec<Finding>> {
    const REPLICA: &str = "
        select case when s.setrole = 0 then format('database %I', d.datname)
                    when s.setdatabase = 0 then format('role %I', r.rolname) else format('role %I in database %I', r.rolname, d.datname) end
        from pg_db_role_setting s
        left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase
        where (s.setdatabase = 0 or d.datname = current_database())
          and exists (select from rowcast.watched w join pg_class c on c.oid = w.relation where not w.always)
          and exists (select from unnest(s.setconfig) as c (line) where lower(c.line) = 'session_replication_role=replica')
        order by 1";
    let rows = client.query(REPLICA, &[])?;
    let finding = |row: &postgres::Row| {
        let whose: String = row.get(0);
        Finding::new(
            format!("session_replication_role is replica for {whose}: what its sessions write fires no trigger, and is not captured"),
            // For those that are meant to write so, there is watch --always.
            Mend::by_superuser(format!("alter {whose} reset session_replication_role")),
        )
    };
    Ok(rows.iter().map(finding).collect())
}

/// Whether the log is pruned, and what was deleted makes room for what comes.
pub fn log(client: &mut Client, wanted: &Wanted) -> Result<Option<Finding>> {
    let Some((keep, most_bytes)) = wanted.log else { return Ok(None) };
    let row = client.query_one(
        "select extract(epoch from clock_timestamp() - (select c.time from rowcast.change c order by c.xid limit 1))::float8,
                pg_total_relation_size('rowcast.change'), pg_stat_get_live_tuples('rowcast.change'::regclass)",
        &[],
    )?;
    let (age, bytes, rows): (Option<f64>, i64, i64) = (row.get(0), row.get(1), row.get(2));
    if let Some(age) = age.filter(|&age| age > (keep + keep / 2 + SLACK).as_secs_f64()) {
        let what = format!(
            "the log holds about {rows} changes in {bytes} bytes, the oldest {age:.0} s old, but its retention is {} s: no server prunes it",
            keep.as_secs()
        );
        return Ok(Some(Finding::new(what, Mend::rowcast(&["serve"]))));
    }
    // What was deleted takes its place until it is vacuumed, and so does what came in the meantime.
    if u64::try_from(bytes).unwrap_or(0) < most_bytes.saturating_mul(3).saturating_add(ROOM_BYTES) {
        return Ok(None);
    }
    let what = format!("the log takes {bytes} bytes, far more than it may keep ({most_bytes})");
    if let Some(holder) = holder(client)? {
        let mend = format!("end {holder}: as long as that is open, nothing that was deleted makes room in any table");
        return Ok(Some(Finding::new(what, Mend::hand(mend))));
    }
    let pruned = client.query_one(
        "select exists (select from pg_stat_activity a where a.application_name = 'rowcast' and a.datname = current_database())",
        &[],
    )?;
    if !pruned.get::<_, bool>(0) {
        return Ok(Some(Finding::new(format!("{what}: no server prunes it"), Mend::rowcast(&["serve"]))));
    }
    let mend =
        "its room is used again, so it grows no more; vacuum full rowcast.change gives it back to the disk, and writers wait meanwhile";
    Ok(Some(Finding::hint(what, Mend::hand(mend))))
}

/// Whose transaction keeps the rows that are deleted: the oldest snapshot that is held for more than a minute.
fn holder(client: &mut Client) -> Result<Option<String>> {
    const HOLDERS: &str = "
        select who from (
          select format('process %s (%s, %s)', a.pid, coalesce(a.usename::text, a.backend_type), a.state) as who,
                 a.backend_xmin as xmin, clock_timestamp() - a.xact_start as open
          from pg_stat_activity a where a.backend_xmin is not null and a.datname = current_database()
          union all
          select format('the prepared transaction %L', p.gid), p.transaction, clock_timestamp() - p.prepared
          from pg_prepared_xacts p where p.database = current_database()
          union all
          select format('the replication slot %s', s.slot_name), s.xmin, null from pg_replication_slots s where s.xmin is not null) h
        where open > interval '1 minute' or open is null
        order by age(xmin) desc limit 1";
    Ok(client.query_opt(HOLDERS, &[])?.map(|row| row.get(0)))
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

//! `/metrics`: what happened is counted, in the form that Prometheus reads, and by no more names than there are of tables
//! and routes.

mod text;

use serde_json::json;

use crate::support::proxy::Proxy;
use crate::support::raw::{read, send_json};
use crate::support::{Server, TESTTYPE, database, empty_example, example, launch, wait_for};
use text::{Metrics, parse};

fn metrics(server: &Server) -> Metrics {
    let answer = server.get("/metrics").expect_status(200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    parse(&answer.body).unwrap_or_else(|error| panic!("{error}\n{}", answer.body))
}

#[test]
fn what_happened_is_counted() {
    let (database, server) = example();
    let before = metrics(&server);
    let since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    server.send_json("POST", "/api/testtype", "{\"name\":\"Ann\"}").expect_status(201);
    server.send_json("POST", "/api/testtype", "{\"id\":1,\"name\":\"again\"}").expect_status(409);
    // One is told from the ring, one while it is parked.
    wait_for("the row is in the ring", || (metrics(&server).get("rowcast_ring_size_bytes") > 0.0).then_some(()));
    let answer = server.get(&format!("/notify?table=testtype&since={since}")).json();
    let poll = json!({"wait": 20, "subscriptions": [{"id": "a", "table": "testtype", "since": answer["cursor"]}]});
    let mut stream = server.connect();
    send_json(&mut stream, "/notify", &poll);
    wait_for("the poll is parked", || (metrics(&server).get("rowcast_polls_parked") == 1.0).then_some(()));
    assert_eq!(metrics(&server).get("rowcast_polls_open"), 1.0);
    database.psql("insert into testtype (name) values ('Bob'), ('Cid')");
    assert_eq!(read(stream).expect("an answer").status, 200);
    database.psql("truncate testtype");
    wait_for("the reset is published", || (metrics(&server).get("rowcast_resets_total{table=\"testtype\"}") == 1.0).then_some(()));

    let after = metrics(&server);
    assert_eq!(before.get("rowcast_changes_total{table=\"testtype\"}"), 0.0, "an exposed table is there from the start");
    assert_eq!(after.get("rowcast_changes_total{table=\"testtype\"}"), 3.0);
    assert_eq!(after.get("rowcast_batch_changes_sum"), 3.0);
    assert_eq!(after.get("rowcast_batch_changes_count"), 3.0);
    assert_eq!(after.get("rowcast_deliveries_total{from=\"ring\"}"), 1.0);
    assert_eq!(after.get("rowcast_deliveries_total{from=\"batch\"}"), 1.0);
    assert_eq!(after.get("rowcast_http_requests_total{method=\"GET\",route=\"/api/{table}\",status=\"200\"}"), 1.0);
    assert_eq!(after.get("rowcast_http_requests_total{method=\"POST\",route=\"/api/{table}\",status=\"201\"}"), 1.0);
    assert_eq!(after.get("rowcast_http_requests_total{method=\"POST\",route=\"/api/{table}\",status=\"409\"}"), 1.0);
    assert_eq!(after.get("rowcast_http_request_duration_seconds_count{method=\"POST\",route=\"/api/{table}\"}"), 2.0);
    assert_eq!(after.get("rowcast_errors_total{kind=\"conflict\"}"), 1.0);
    assert_eq!(after.get("rowcast_poll_wait_seconds_count{ended=\"news\"}"), 2.0);
    assert!(!after.series.keys().any(|series| series.starts_with("rowcast_http_request_duration") && series.contains("/notify")));
    assert!(after.get("rowcast_tail_reads_total") > before.get("rowcast_tail_reads_total"));
    assert!(after.get("rowcast_pool_work_seconds_count") >= 3.0);
    assert_eq!((after.get("rowcast_tail_connected"), after.get("rowcast_polls_parked")), (1.0, 0.0));
    assert_eq!(after.get(&format!("rowcast_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);
    for (name, least) in [("process_resident_memory_bytes", 1e6), ("process_open_fds", 5.0), ("process_start_time_seconds", 1.6e9)] {
        assert!(after.get(name) >= least, "{name} is {}", after.get(name));
    }
}

/// Whoever asks for what is not there makes no series, or anybody could fill the memory of the server and of Prometheus.
#[test]
fn what_clients_make_up_gets_no_series() {
    let (_database, server) = example();
    let ask = |number: usize| {
        server.get(&format!("/api/t{number}"));
        server.get(&format!("/api/testtype/{number}"));
        server.get(&format!("/nowhere{number}"));
        server.get(&format!("/static/{number}"));
        server.get(&format!("/live/{number}"));
        server.get(&format!("/notify?table=t{number}&wait=0"));
        server.send(&format!("M{number}"), "/", &[], "");
    };
    ask(0);
    let before: Vec<String> = metrics(&server).series.into_keys().collect();
    (1..20).for_each(ask);
    let after: Vec<String> = metrics(&server).series.into_keys().collect();
    let newer: Vec<&String> = after.iter().filter(|series| !before.contains(series) && !series.contains("/metrics")).collect();
    assert!(newer.is_empty(), "{newer:?}");
}

#[test]
fn every_number_says_its_unit() {
    let (_database, server) = example();
    let metrics = metrics(&server);
    for family in metrics.families() {
        assert!(family.starts_with("rowcast_") || family.starts_with("process_"), "{family}");
        for word in ["millis", "_ms", "_kb", "_mb", "minutes", "percent"] {
            assert!(!family.contains(word), "{family} is in no base unit");
        }
        let measured = ["size", "wait", "delay", "duration", "work", "age"].iter().any(|word| family.contains(word));
        let unit = ["_seconds", "_bytes", "_total", "_fds", "_info"].iter().any(|unit| family.ends_with(unit));
        assert!(!measured || unit || family.ends_with("_waiting"), "{family} has no unit");
    }
}

/// From the last change, by the database's clock: what came before in the same transaction is no delay.
#[test]
fn the_delay_is_counted_from_a_transactions_last_change() {
    let (database, server) = example();
    let delay = |metrics: &Metrics| (metrics.get("rowcast_tail_delay_seconds_count"), metrics.get("rowcast_tail_delay_seconds_sum"));
    let before = delay(&metrics(&server));
    database.psql("begin; insert into testtype (name) values ('late'); select pg_sleep(0.7); commit");
    let after = wait_for("the change is published", || Some(delay(&metrics(&server))).filter(|after| after.0 > before.0));
    assert!(after.1 - before.1 >= 0.7, "a change waited for its commit, but the delay is {}", after.1 - before.1);
    database.psql(
        "begin; insert into testtype (name) values ('early'); select pg_sleep(0.7); insert into testtype (name) values ('now'); commit",
    );
    let last = wait_for("the changes are published", || Some(delay(&metrics(&server))).filter(|last| last.0 > after.0));
    assert_eq!(last.0 - after.0, 1.0, "one transaction, one delay");
    assert!(last.1 - after.1 < 0.7, "the delay is {}", last.1 - after.1);
}

/// The tailer's way is cut, the requests' is not: then the log tells what has not been read.
#[test]
fn what_waits_to_be_read_is_measured_though_the_tailer_is_cut_off() {
    let database = empty_example(database());
    let proxy = Proxy::start(database.cluster.directory());
    let tail_url = format!("postgresql://app@127.0.0.1:{}/{}", proxy.port, database.name);
    let flags = ["--tail-database-url", &tail_url, "--slow-timer-seconds", "1", "--keep-seconds", "20"];
    let server = launch(&database.url(), TESTTYPE, &flags).ready();
    wait_for("the log is measured", || (metrics(&server).get("rowcast_log_size_bytes") > 0.0).then_some(()));
    assert_eq!(metrics(&server).get("rowcast_log_unread_changes"), 0.0);
    proxy.swallow();
    database.psql("insert into testtype (name) values ('a'), ('b'), ('c')");
    let age = wait_for("the unread changes are measured", || {
        let now = metrics(&server);
        (now.get("rowcast_log_unread_changes") == 3.0).then(|| now.get("rowcast_log_unread_age_seconds"))
    });
    wait_for("they grow old", || (metrics(&server).get("rowcast_log_unread_age_seconds") > age + 0.5).then_some(()));
    proxy.speak_again();
    wait_for("they are read", || {
        let now = metrics(&server);
        (now.get("rowcast_log_unread_changes") == 0.0 && now.get("rowcast_log_unread_age_seconds") == 0.0).then_some(())
    });
    assert_eq!(metrics(&server).get("rowcast_tail_sessions_lost_total"), 1.0);
    assert_eq!(metrics(&server).get("rowcast_changes_total{table=\"testtype\"}"), 3.0, "they were not pruned but read");
}

//! Past one machine: a cache that makes one poll of thousands, and several servers behind a balancer.

mod crowd;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::follower::Follower;
use crate::support::nginx::Nginx;
use crate::support::{Cluster, TESTTYPE, database, empty_example, example, server, wait_until};
use crowd::Crowd;

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_thousand_clients_are_one_poll() {
    clients_are_one_poll(1_000, 6);
}

#[test]
#[ignore = "takes more sockets than many machines allow"]
fn five_thousand_clients_are_one_poll() {
    clients_are_one_poll(5_000, 30);
}

/// `wait`: the seconds that their polls wait; long enough for all of them to ask again meanwhile.
fn clients_are_one_poll(number: usize, wait: u64) {
    let (database, server) = example();
    let nginx = Nginx::start(&[server.port], number);
    let since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let crowd = runtime.block_on(async { Crowd::start(number, nginx.address(), &since, wait) });
    let mut most = 0;
    let mut look = |what: &str, is_done: &mut dyn FnMut(usize) -> bool| {
        wait_until(what, PATIENCE, || {
            let open = server.open_polls();
            most = most.max(open);
            assert!(crowd.failures().is_empty(), "{:?}", crowd.failures().first());
            is_done(open).then_some(())
        });
    };
    for id in 1..=4 {
        look("all wait at nginx for one poll", &mut |open| nginx.waiting_requests() == number && open == 1);
        if id == 3 {
            // Nothing happens for a while: everybody is told so, and asks the same again.
            let before = crowd.quiet_answers();
            look("all have been told that there is no news", &mut |_| crowd.quiet_answers() >= before + number);
            look("they are one poll again", &mut |open| nginx.waiting_requests() == number && open == 1);
        }
        let inserted = std::time::Instant::now();
        database.psql(&format!("insert into testtype (id, name) values ({id}, 'round {id}')"));
        // The next change comes while some have yet to hear of this one.
        if id == 4 {
            database.psql("insert into testtype (id, name) values (5, 'right after')");
        }
        let last = if id == 4 { 5 } else { id };
        look("all have the change", &mut |_| crowd.all_have((1..=last).collect()));
        println!("{number} clients had change {id} after {:?}", inserted.elapsed());
    }
    println!("{number} clients were at most {most} polls at the server");
    assert!(most <= 3, "{most} polls at the server");
    drop(crowd);
}

/// In a cluster of its own, where nobody writes: the cursor itself stays what it is.
#[test]
fn a_poll_that_has_waited_in_vain_never_leads_to_itself() {
    let database = empty_example(Cluster::start().database());
    let server = server(&database, TESTTYPE);
    let first = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let mut since = first.clone();
    for _ in 0..4 {
        let answer = server.get(&format!("/notify?table=testtype&since={since}&wait=1"));
        let next = answer.json()["cursor"].as_str().unwrap().to_owned();
        assert!(next != since, "a cache would repeat {answer:?} for as long as it keeps it");
        assert_eq!(answer.header("cache-control"), "max-age=60");
        since = next;
    }
    // It is as good as any other.
    database.psql("insert into testtype (id, name) values (1, 'ann')");
    let body = format!(r#"{{"wait":0,"subscriptions":[{{"id":"a","table":"testtype","since":"{since}"}}]}}"#);
    assert!(server.send_json("POST", "/notify", &body).expect_status(200).body.contains("ann"));
}

/// The rows of the table as a follower holds them.
fn selected(database: &crate::support::Database) -> BTreeMap<String, serde_json::Value> {
    let rows = database.psql("select row_to_json(t) from testtype as t order by id");
    rows.lines()
        .map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            (serde_json::json!([row["id"]]).to_string(), row)
        })
        .collect()
}

#[test]
fn clients_of_two_servers_lose_nothing_while_one_is_killed_and_restarted() {
    let database = empty_example(database());
    let mut servers = [server(&database, TESTTYPE), server(&database, TESTTYPE)];
    let nginx = Nginx::start(&servers.each_ref().map(|server| server.port), 100);
    let followers: Vec<Follower> = (0..12).map(|_| Follower::start(nginx.port, "testtype", "", |_| None)).collect();
    let mut id = 0;
    let mut write = |count: usize| {
        for _ in 0..count {
            id += 1;
            database
                .psql(&format!("insert into testtype (id, name) values ({id}, 'a'); update testtype set value = {id} where id = {id} / 2"));
        }
    };
    let follow = |what: &str| {
        let expected = selected(&database);
        wait_until(what, PATIENCE, || followers.iter().all(|follower| follower.rows() == expected).then_some(()));
    };
    write(3);
    follow("all follow");
    for round in 0..4 {
        let away = &mut servers[round % 2];
        if round < 2 {
            away.kill9();
        } else {
            away.terminate();
            away.wait();
        }
        write(5);
        follow("all follow the server that is left");
        away.start_again();
        write(5);
    }
    follow("all have every row at the end");
    for follower in &followers {
        let seen = follower.seen();
        assert!(seen.resets == 0 && seen.repeated.is_empty(), "{} resets, repeated {:?}", seen.resets, seen.repeated);
    }
}

#[test]
fn what_is_not_the_same_for_all_is_not_shared() {
    let (database, server) = example();
    let nginx = Nginx::start(&[server.port], 100);
    let client = |path: &str, headers: &[(&str, &str)]| {
        let mut stream = std::net::TcpStream::connect(nginx.address()).unwrap();
        crate::support::raw::send_get(&mut stream, path, headers);
        stream
    };
    let since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let events = [("Accept", "text/event-stream")];
    let path = format!("/notify?table=testtype&since={since}");
    let open = [
        client("/notify?table=testtype", &[]),
        client("/notify?table=testtype", &[]),
        client("/notify?table=testtype&since=now", &[]),
        client(&path, &events),
        client(&path, &events),
        // These two are one.
        client(&path, &[("Accept", "*/*")]),
        client(&path, &[("Accept", "application/json")]),
    ];
    server.wait_for_open_polls(6);
    // A client that leaves alone is gone for the server as well.
    let [one, two, three, four, five, six, seven] = open;
    drop((one, two, three, four));
    server.wait_for_open_polls(2);
    drop(five);
    server.wait_for_open_polls(1);
    database.psql("insert into testtype (id, name) values (1, 'ann')");
    for stream in [six, seven] {
        assert!(crate::support::raw::read(stream).expect("an answer").body.contains("ann"));
    }
    // Who asks for this very moment is not told of an earlier one.
    for id in 2..5 {
        database.psql(&format!("insert into testtype (id, name) values ({id}, 'more')"));
        let reply = crate::support::raw::read(client(&format!("{path}&wait=0"), &[])).expect("an answer");
        assert_eq!(reply.json()["answers"][0]["changes"].as_array().unwrap().len(), id, "{reply:?}");
    }
}

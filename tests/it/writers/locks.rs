//! Whatever rowcast does to itself, no writer waits for it longer than one of its short tries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{database, empty_example, run};

/// Writers of a watched table, and one whose transaction stays open for a while again and again, so that every lock on the
/// log or the table has somebody to wait for.
#[test]
fn no_writer_waits_for_what_rowcast_does_to_itself() {
    let database = empty_example(database());
    database.psql("create table busy (id bigint generated always as identity primary key, t text); select rowcast.watch('busy'), rowcast.begin_epoch()");
    let stop = AtomicBool::new(false);
    let url = database.url();
    let longest = thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (mut client, stop) = (database.client(), &stop);
                scope.spawn(move || {
                    let mut longest = Duration::ZERO;
                    while !stop.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        let mut transaction = client.transaction().unwrap();
                        transaction.batch_execute("insert into public.busy (t) values ('a'); update public.busy set t = 'b' where id = (select max(id) from public.busy)").unwrap();
                        longest = longest.max(begun.elapsed());
                        if writer == 0 {
                            thread::sleep(Duration::from_millis(150));
                        }
                        transaction.commit().unwrap();
                        thread::sleep(Duration::from_millis(5));
                    }
                    longest
                })
            })
            .collect();
        let command = |arguments: &[&str]| {
            let (done, said) = run(&[arguments, &["--database-url", &url]].concat());
            assert!(done, "{arguments:?}: {said}");
        };
        for _ in 0..2 {
            command(&["install"]);
            command(&["watch", "busy"]);
            command(&["watch", "busy", "--always"]);
            command(&["unwatch", "busy"]);
            command(&["watch", "busy"]);
            for own in ["begin_epoch()", "note_shapes()", "advance_horizon('0', 0)", "prune(1000)", "set_beds(2)"] {
                database.psql(&format!("select rowcast.{own}"));
            }
            database.psql("vacuum rowcast.change; delete from rowcast.epoch; select rowcast.begin_epoch()");
        }
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap()
    });
    assert!(longest < Duration::from_millis(1_500), "a writer waited {longest:?}");
}

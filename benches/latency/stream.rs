//! A stream of changes at a fixed rate, each timed.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::clock::clock;
use crate::reader::Reader;
use crate::support::{self, Database};

const WRITERS: u32 = 4;

pub struct Streamed {
    /// In milliseconds, of each change.
    pub times: Vec<f64>,
    /// The polls that brought them.
    pub answers: usize,
}

/// Writes at `rate` for so long while a client polls. A writer that is late hurries on: the rate waits for nobody.
pub fn run(db: &Database, port: u16, rate: u32, long: Duration) -> Streamed {
    db.psql(&format!("insert into testtype (name) select 'row' from generate_series(1, {WRITERS})"));
    let since = since(port);
    let reader = Reader::start(port, &since);
    let written: Mutex<HashMap<String, u64>> = Mutex::default();
    let every = Duration::from_secs(1) * WRITERS / rate;
    let mut arrived: HashMap<String, u64> = HashMap::new();
    let mut answers = 0;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let written = &written;
            scope.spawn(move || {
                let mut client = db.client();
                let (mut noted, begin) = (Vec::new(), Instant::now() + every * writer / WRITERS);
                for number in 0.. {
                    let due = every * number;
                    if due >= long {
                        break;
                    }
                    std::thread::sleep((begin + due).saturating_duration_since(Instant::now()));
                    let name = format!("{writer}.{number}.");
                    let mut transaction = client.transaction().expect("a transaction can be begun");
                    let id = i64::from(writer) + 2;
                    transaction
                        .execute("update testtype set name = $1 where id = $2::bigint", &[&name, &id])
                        .expect("a row can be changed");
                    noted.push((name, clock()));
                    transaction.commit().expect("a change can be committed");
                }
                written.lock().expect("nobody panics with it").extend(noted);
            });
        }
        while let Some((at, text)) = reader.next_within(Duration::from_secs(2)) {
            answers += 1;
            for part in text.split("\"new\":").skip(1) {
                let name = crate::wire::text_field(part, "name").expect("a row has a name");
                arrived.entry(name.to_owned()).or_insert(at);
            }
        }
    });
    let written = written.into_inner().expect("nobody panics with it");
    let lost = written.keys().filter(|name| !arrived.contains_key(*name)).count();
    assert!(lost == 0, "{lost} of {} changes were not told", written.len());
    let times = written.iter().map(|(name, begin)| (arrived[name] - begin) as f64 / 1e6).collect();
    Streamed { times, answers }
}

/// A cursor of now.
fn since(port: u16) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server can be reached");
    stream.write_all(&crate::wire::get(port, "/notify?table=testtype&wait=0", "")).expect("a request can be sent");
    let answer = support::wait_for("the server says where it is", || {
        let mut buffer = [0; 4 << 10];
        let read = stream.read(&mut buffer).ok()?;
        crate::wire::body(&buffer[..read])
    });
    let text = String::from_utf8(answer).expect("an answer is text");
    crate::wire::text_field(&text, "cursor").expect("an answer has a cursor").to_owned()
}

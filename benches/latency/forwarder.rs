//! The yardstick: a trigger notifies the row, and who hears it writes the payload to the client's socket, as it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;

use crate::support::Database;
use crate::wire;

/// NOTIFY in every transaction.
pub const TRIGGER: &str = "
create function forward() returns trigger language plpgsql as $$
begin
  perform pg_notify('forwarded', json_build_object('cursor', 'x', 'changes', json_build_array(row_to_json(new)))::text);
  return null;
end $$;
create trigger forward after update on testtype for each row execute function forward();
";

/// Serves one client, on a thread that ends with it; returns its port.
pub fn start(db: &Database) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
    let port = listener.local_addr().expect("a port has an address").port();
    let mut session = db.client();
    session.batch_execute("listen forwarded").expect("a session can listen");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        stream.set_nodelay(true).expect("a socket can be set up");
        let mut received = Vec::new();
        loop {
            let mut buffer = [0; 4 << 10];
            let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
            received.extend_from_slice(&buffer[..read]);
            if wire::length(&received).is_none_or(|length| received.len() < length) {
                continue;
            }
            received.clear();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).expect("the client is there");
            let mut notifications = session.notifications();
            let mut heard = notifications.timeout_iter(Duration::from_secs(120));
            let Ok(Some(notification)) = heard.next() else { return };
            let payload = notification.payload();
            let chunk = format!("{:X}\r\n{payload}\r\n0\r\n\r\n", payload.len());
            stream.write_all(chunk.as_bytes()).expect("the client is there");
        }
    });
    port
}

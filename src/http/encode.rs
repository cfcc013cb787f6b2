//! Answers as JSON. Images, keys and times are passed through as the database printed them.

use bytes::Bytes;
use serde_json::Value;

use crate::change::{Change, Image};
use crate::error::Error;
use crate::hub::{Answer, SubscriptionAnswer, Told};

use super::room::Room;
use super::{jitter, problem};

/// The body of an answer, encoded once for all polls that share it; but when to come back is drawn for each by itself. Where
/// there is no room for it, resets take its place: whoever gets them reads its tables anew, when there is. Nothing is left of what
/// has been told.
pub fn body(answer: &Answer, room: &Room) -> Bytes {
    if answer.told_at.is_some() {
        return Bytes::new();
    }
    if answer.retry_after.is_some() {
        return Bytes::from(answer_json(String::new(), answer, false));
    }
    let chunk = last_chunk(answer, room);
    chunk.slice(CHUNK_SIZE.len()..chunk.len() - CHUNK_END.len())
}

/// The same as the last chunk of a body, and the body's end (RFC 9112, 7.1): to be sent as it is.
pub fn last_chunk(answer: &Answer, room: &Room) -> Bytes {
    let encode = |as_resets| {
        let mut chunk = answer_json(CHUNK_SIZE.to_owned(), answer, as_resets);
        let size = format!("{:08x}", chunk.len() - CHUNK_SIZE.len());
        chunk.replace_range(..size.len(), &size);
        chunk + CHUNK_END
    };
    answer.body.get_or_init(|| room.hold(encode(false).into_bytes()).unwrap_or_else(|| Bytes::from(encode(true)))).clone()
}

/// The place of a chunk's size, of which nobody need know the number of digits.
const CHUNK_SIZE: &str = "00000000\r\n";

/// The end of a chunk with data that is the last, and the body's end.
pub const CHUNK_END: &str = "\r\n0\r\n\r\n";

/// The body of an answer without news, with a cursor in another spelling.
pub fn no_news(cursor: &str) -> String {
    format!("{{\"cursor\":\"{cursor}\",\"answers\":[]}}")
}

/// The body that tells of a failure after the head was sent.
pub fn late_problem(error: &Error) -> Bytes {
    let mut body = serde_json::Map::new();
    body.insert("problem".to_owned(), Value::Object(problem::object(error)));
    if let Some(retry_after) = error.retry_after {
        body.insert("retry_after_ms".to_owned(), Value::from(retry_after.as_millis() as u64));
    }
    Bytes::from(Value::Object(body).to_string())
}

/// An answer behind what is in `json`.
fn answer_json(mut json: String, answer: &Answer, as_resets: bool) -> String {
    json.push_str("{\"cursor\":\"");
    json.push_str(&answer.cursor.to_string());
    json.push_str("\",\"answers\":[");
    for (place, one) in answer.answers.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        push_subscription(&mut json, one, as_resets);
    }
    json.push(']');
    if let Some(retry_after) = answer.retry_after {
        json.push_str(&format!(",\"retry_after_ms\":{}", jitter(retry_after).as_millis()));
    }
    json.push('}');
    json
}

fn push_subscription(json: &mut String, one: &SubscriptionAnswer, as_reset: bool) {
    json.push_str("{\"id\":");
    json.push_str(&Value::from(&*one.id).to_string());
    match &one.told {
        Told::Changes(changes) if !as_reset => {
            json.push_str(",\"changes\":[");
            for (place, (change, leaves)) in changes.iter().enumerate() {
                if place > 0 {
                    json.push(',');
                }
                push_change(json, change, *leaves);
            }
            json.push(']');
        }
        _ => json.push_str(",\"reset\":true"),
    }
    json.push('}');
}

/// A change as a JSON object.
pub fn change(change: &Change, leaves: bool) -> String {
    let mut json = String::new();
    push_change(&mut json, change, leaves);
    json
}

fn push_change(json: &mut String, change: &Change, leaves: bool) {
    let image = |image: &Option<Image>| image.as_ref().map_or("null", |image| image.json().get()).to_owned();
    json.push_str(&format!(
        "{{\"op\":\"{}\",\"key\":{},\"old\":{},\"new\":{},\"mtime\":{}",
        change.op.name(),
        change.key.get(),
        image(&change.old),
        image(&change.new),
        change.mtime.get()
    ));
    if !change.elided.is_empty() {
        json.push_str(&format!(",\"elided\":{}", Value::from(change.elided.as_slice())));
    }
    if leaves {
        json.push_str(",\"leaves\":true");
    }
    json.push('}');
}

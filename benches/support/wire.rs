//! HTTP/1.1 as a browser of today sends it, and as much of answers as a load client must understand. Pure.

/// What Chromium sends with a poll of `static/js/poll.js`, a page of `localhost` having made it.
const HEADERS: &str = "Connection: keep-alive\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Cache-Control: no-cache\r\n\
    Pragma: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
    Accept: application/json\r\n\
    sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
    Content-Type: application/json\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: cors\r\n\
    Sec-Fetch-Dest: empty\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n";

/// A POST of JSON.
pub fn post(port: u16, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nReferer: http://localhost:{port}/\r\n\
         Content-Length: {length}\r\n{HEADERS}\r\n{body}"
    )
    .into_bytes()
}

/// A GET with more headers, each ended by a line break.
pub fn get(port: u16, path: &str, more: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: keep-alive\r\n{more}\r\n").into_bytes()
}

/// Where a message's head ends.
pub fn head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|place| place + 4)
}

/// How long a whole message with a Content-Length is; None until its head is there.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let head = head(bytes)?;
    Some(head + header(&bytes[..head], "content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0))
}

/// The body of an answer that has arrived whole, its chunks put together; None if more is to come.
pub fn body(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = head(bytes)?;
    if header(&bytes[..head], "transfer-encoding") != Some("chunked") {
        let end = length(bytes)?;
        return bytes.get(head..end).map(<[u8]>::to_vec);
    }
    let (mut rest, mut body) = (&bytes[head..], Vec::new());
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        let (chunk, after) = (line + 2, line + 2 + size);
        body.extend_from_slice(rest.get(chunk..after)?);
        rest = rest.get(after + 2..)?;
        if size == 0 {
            return Some(body);
        }
    }
}

/// A header's value in a head, by its name in lower case.
fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    text.lines().filter_map(|line| line.split_once(':')).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The text between `"name":"` and the next quote: enough for cursors, which have no quotes.
pub fn text_field<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let begin = json.find(&format!("\"{name}\":\""))? + name.len() + 4;
    json[begin..].split('"').next()
}

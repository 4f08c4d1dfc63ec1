//! SIP messages out of a TCP stream, framed by Content-Length (RFC 3261 §18.3).

use memchr::memmem;

use super::content::{MAX_LINE, is_sip_line, is_token};

/// Start line and headers of one message.
const MAX_HEADERS: usize = 64 * 1024;
/// A whole message: twice what HEP can carry, so that a too large one is still told apart from garbage.
const MAX_MESSAGE: usize = 128 * 1024;

/// What a run of octets at the start of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// A SIP start line.
    Sip,
    /// Not enough to tell.
    Perhaps,
    /// Something else.
    No,
}

/// Tells whether a SIP message starts here.
pub(crate) fn start(octets: &[u8]) -> Start {
    if let Some(end) = memchr::memchr(b'\n', octets) {
        let line = octets.get(..end).unwrap_or_default();
        return if is_sip_line(line) {
            Start::Sip
        } else {
            Start::No
        };
    }
    if octets.len() > MAX_LINE {
        return Start::No;
    }
    // So far it must be a method (or "SIP/2.0"), a space, printable text.
    let word = octets.iter().take_while(|&&o| is_token(o) || o == b'/');
    let word = word.count();
    let rest = octets.get(word..).unwrap_or_default();
    let plausible = word <= 32
        && (rest.is_empty() || (word > 0 && rest.starts_with(b" ")))
        && rest.iter().all(|&o| o >= b' ' || o == b'\r');
    if plausible { Start::Perhaps } else { Start::No }
}

/// Takes messages out of a stream.
#[derive(Debug, Default)]
pub(crate) struct SipSplitter {
    buffer: Vec<u8>,
    /// Octets still to come of a message that was cut by a hole.
    skip: usize,
    /// Octets that belonged to no message.
    pub(crate) lost: u64,
}

impl SipSplitter {
    pub(crate) fn push(&mut self, octets: &[u8]) {
        let skipped = self.skip.min(octets.len());
        self.skip -= skipped;
        self.lost += skipped as u64;
        self.buffer
            .extend_from_slice(octets.get(skipped..).unwrap_or_default());
    }

    /// Octets that wait for more.
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Octets that the unfinished message still lacks; `None` where there is none, or it does not say yet.
    pub(crate) fn missing(&self) -> Option<usize> {
        let headers = headers_end(&self.buffer)?;
        if start(&self.buffer) != Start::Sip {
            return None;
        }
        let head = self.buffer.get(..headers).unwrap_or_default();
        let total = headers.saturating_add(content_length(head));
        Some(total.saturating_sub(self.buffer.len()))
    }

    /// Forgets an unfinished message, because so many octets of the stream are missing behind it (0: nobody
    /// knows how many). Where it says how long it is, its tail is not mistaken for what follows it. True if
    /// there was one.
    pub(crate) fn cut(&mut self, missing: u64) -> bool {
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        self.skip = match self.missing() {
            _ if missing == 0 => 0,
            Some(to_come) => to_come.min(MAX_MESSAGE).saturating_sub(missing),
            None => self.skip.saturating_sub(missing),
        };
        let unfinished = !self.buffer.is_empty();
        self.lost += self.buffer.len() as u64;
        self.buffer.clear();
        unfinished
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let blank = self.buffer.iter();
            let blank = blank.take_while(|o| matches!(o, b'\r' | b'\n')).count();
            self.buffer.drain(..blank);
            if self.buffer.is_empty() {
                return None;
            }
            match start(&self.buffer) {
                Start::Perhaps => return None,
                Start::No => {
                    self.skip_line();
                    continue;
                }
                Start::Sip => {}
            }
            let Some(headers) = headers_end(&self.buffer) else {
                if self.buffer.len() <= MAX_HEADERS {
                    return None;
                }
                self.skip_line();
                continue;
            };
            let length = content_length(self.buffer.get(..headers).unwrap_or_default());
            let total = headers.saturating_add(length);
            if total > MAX_MESSAGE {
                self.skip_line();
                continue;
            }
            if self.buffer.len() < total {
                return None;
            }
            let rest = self.buffer.split_off(total);
            return Some(std::mem::replace(&mut self.buffer, rest));
        }
    }

    /// Goes on at the next line, or drops all when there is none.
    fn skip_line(&mut self) {
        let end = memchr::memchr(b'\n', &self.buffer).map_or(self.buffer.len(), |at| at + 1);
        self.buffer.drain(..end);
        self.lost += end as u64;
    }
}

/// Where the body starts.
fn headers_end(message: &[u8]) -> Option<usize> {
    let crlf = memmem::find(message, b"\r\n\r\n").map(|at| at + 4);
    let bare = memmem::find(message, b"\n\n").map(|at| at + 2);
    match (crlf, bare) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Absent or unreadable means no body, as most stacks take it.
fn content_length(headers: &[u8]) -> usize {
    for line in headers.split(|&o| o == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let name = line.get(..colon).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"Content-Length") || name.eq_ignore_ascii_case(b"l") {
            let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
            let text = std::str::from_utf8(value).unwrap_or_default();
            return text.parse().unwrap_or(0);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(splitter: &mut SipSplitter) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| splitter.next()).collect()
    }

    #[test]
    fn messages_are_framed_however_they_arrive() {
        let one = b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 4\r\n\r\nbody".to_vec();
        let two = b"SIP/2.0 200 OK\r\nl : 2\r\n\r\nOK".to_vec();
        let stream = [b"\r\n\r\n".as_slice(), &one, b"\r\n", &two, &one].concat();
        for step in 1..stream.len() {
            let mut splitter = SipSplitter::default();
            let mut messages = Vec::new();
            for part in stream.chunks(step) {
                splitter.push(part);
                messages.append(&mut all(&mut splitter));
            }
            assert_eq!(messages, [one.clone(), two.clone(), one.clone()], "{step}");
        }
    }

    #[test]
    fn after_a_cut_it_goes_on_with_the_next_start_line() {
        let one = b"BYE sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n";
        let mut splitter = SipSplitter::default();
        splitter.push(b"INVITE sip:a SIP/2.0\r\nContent-Length: 400\r\n\r\nv=0");
        assert!(all(&mut splitter).is_empty());
        assert!(splitter.cut(0));
        splitter.push(b"=audio 1 RTP/AVP 0\r\na=x\r\n");
        splitter.push(one);
        assert_eq!(all(&mut splitter), [one.to_vec()]);
        assert!(splitter.lost > 50);
    }

    #[test]
    fn the_tail_of_a_cut_message_is_not_taken_for_the_next() {
        let stream = b"INVITE sip:a SIP/2.0\r\nContent-Length: 90\r\n\r\n".to_vec();
        let head = stream.len();
        let stream = [
            stream,
            vec![b'x'; 90],
            b"ACK sip:b SIP/2.0\r\n\r\n".to_vec(),
        ]
        .concat();
        let mut splitter = SipSplitter::default();
        splitter.push(&stream[..head + 10]);
        assert!(all(&mut splitter).is_empty());
        assert!(splitter.cut(50));
        splitter.push(&stream[head + 60..head + 70]);
        splitter.push(&stream[head + 70..]);
        assert_eq!(all(&mut splitter), [b"ACK sip:b SIP/2.0\r\n\r\n".to_vec()]);
    }

    #[test]
    fn a_length_that_cannot_be_does_not_hold_the_stream() {
        let mut splitter = SipSplitter::default();
        splitter.push(b"BYE sip:a SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n");
        splitter.push(b"ACK sip:b SIP/2.0\r\n\r\n");
        assert_eq!(all(&mut splitter), [b"ACK sip:b SIP/2.0\r\n\r\n".to_vec()]);
    }

    #[test]
    fn start_lines_are_told_from_other_text() {
        assert_eq!(start(b"INVITE sip:a@b SIP/2.0\r\n"), Start::Sip);
        assert_eq!(start(b"INVI"), Start::Perhaps);
        assert_eq!(start(b"INVITE sip:a"), Start::Perhaps);
        assert_eq!(start(b"GET / HTTP/1.1\r\n"), Start::No);
        // The end of a start line, as a segment of TCP may begin with it.
        assert_eq!(start(b"example.org SIP/2.0\r\n"), Start::No);
        assert_eq!(start(b"\x16\x03\x01"), Start::No);
    }
}

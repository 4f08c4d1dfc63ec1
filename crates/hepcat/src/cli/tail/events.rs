//! Server-sent events, taken out of octets as they come (WHATWG HTML, "Interpreting an event stream"; of it what the
//! node's API uses: names and data).

/// Longest line, octets: a message of the largest size with all its chunks written twice over stays below.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; `message` where the stream gives none.
    pub(super) name: String,
    /// Its data, lines joined by line feeds.
    pub(super) data: String,
}

/// The stream so far. Give it octets with [`push`](Self::push), then take events until there is none.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    buffer: Vec<u8>,
    /// Octets of the buffer that are dealt with.
    taken: usize,
    /// Octets of the buffer known to hold no line end beyond `taken`.
    searched: usize,
    name: String,
    data: Option<String>,
}

/// A line never ended: this is no event stream, or not one of ours.
#[derive(Debug, thiserror::Error)]
#[error("a line longer than {MAX_LINE} octets")]
pub(super) struct LineTooLong;

impl EventStream {
    /// Takes in what was read.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole event.
    pub(super) fn next(&mut self) -> Result<Option<Event>, LineTooLong> {
        while let Some(line) = self.line()? {
            if let Some(event) = self.read(&line) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Result<Option<String>, LineTooLong> {
        let unread = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = unread.iter().position(|octet| *octet == b'\n') else {
            self.searched = self.buffer.len();
            return if self.searched - self.taken > MAX_LINE {
                Err(LineTooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + end;
        let line = self.buffer.get(self.taken..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line).into_owned();
        self.taken = end + 1;
        self.searched = self.taken;
        Ok(Some(line))
    }

    /// Takes in one line; an empty one ends an event, one without data is none.
    fn read(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return self.data.take().map(|data| Event {
                name: if name.is_empty() {
                    "message".to_owned()
                } else {
                    name
                },
                data,
            });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Comments keep the connection alive; `id` and `retry` the node does not send.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(parts: &[&[u8]]) -> Vec<(String, String)> {
        let mut stream = EventStream::default();
        let mut events = Vec::new();
        for part in parts {
            stream.push(part);
            while let Some(event) = stream.next().unwrap() {
                events.push((event.name, event.data));
            }
        }
        events
    }

    fn pair(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn events_have_names_and_data() {
        let stream = b": hello\n\nevent: message\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\n\
            event: missed\ndata: {\"missed\":3}\nid: 7\n\nevent: empty\n\ndata: unfinished\n";
        assert_eq!(
            events(&[stream]),
            [
                pair("message", "{\"a\":1}"),
                pair("message", "x\ny"),
                pair("missed", "{\"missed\":3}"),
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut stream = EventStream::default();
        stream.push(&vec![b'x'; MAX_LINE]);
        assert!(stream.next().is_ok());
        stream.push(b"xx");
        assert!(stream.next().is_err());
    }

    proptest! {
        #[test]
        fn how_reads_were_split_makes_no_difference(
            text in "(event: [ab]{1,3}\n|data: [xy\u{e9}]{0,4}\r?\n|\n|:c\n){0,12}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            let octets = text.as_bytes();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|cut| &octets[cut[0]..cut[1]]).collect();
            prop_assert_eq!(events(&parts), events(&[octets]));
        }
    }
}

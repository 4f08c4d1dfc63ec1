//! Frames written as hexadecimal text: digits with any white space between them, blank lines between
//! frames, `#` starts a comment that ends with its line.

use std::io::{BufRead, Read};

use super::Fault;

/// Octets of one block; a larger one is a fault.
const MAX_BLOCK: usize = 16 * 1024 * 1024;
/// Longest line, so that a file without line ends cannot fill the memory.
const MAX_LINE: u64 = 4 * MAX_BLOCK as u64;

/// True if these octets, the start of an input, can only be such a text.
pub(super) fn is_hex(start: &[u8]) -> bool {
    let mut digits = 0_usize;
    let mut comment = false;
    for &octet in start {
        match octet {
            b'\n' => comment = false,
            _ if comment => {}
            b'#' => comment = true,
            _ if octet.is_ascii_hexdigit() => digits += 1,
            _ if octet.is_ascii_whitespace() => {}
            _ => return false,
        }
    }
    digits >= 2
}

/// Reads block after block.
#[derive(Debug)]
pub(super) struct HexBlocks<R> {
    lines: R,
    /// Octets of text read.
    offset: u64,
    /// Octets given out in earlier blocks.
    pub(super) given: u64,
}

impl<R: BufRead> HexBlocks<R> {
    pub(super) fn new(lines: R) -> Self {
        Self {
            lines,
            offset: 0,
            given: 0,
        }
    }

    /// The octets of the next block; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut octets = Vec::new();
        let mut half: Option<u8> = None;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = self
                .lines
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)
                .map_err(|e| Fault::new("read_failed", self.offset, e.to_string()))?;
            let text = line.split(|&o| o == b'#').next().unwrap_or_default();
            let comment_only = text.trim_ascii().is_empty() && !line.trim_ascii().is_empty();
            let blank = text.trim_ascii().is_empty() && !comment_only;
            if blank && !octets.is_empty() && half.is_none() {
                self.offset += length as u64;
                self.given += octets.len() as u64;
                return Ok(Some(octets));
            }
            if length == 0 {
                return match half {
                    Some(_) => Err(self.fault(0, "the text ends in the middle of an octet")),
                    None => Ok(None),
                };
            }
            for (at, &octet) in text.iter().enumerate() {
                if octet.is_ascii_whitespace() {
                    continue;
                }
                let Some(digit) = digit(octet) else {
                    return Err(self.fault(at, "this is no hexadecimal digit"));
                };
                match half.take() {
                    None => half = Some(digit),
                    Some(high) => octets.push(high << 4 | digit),
                }
            }
            if octets.len() > MAX_BLOCK {
                return Err(self.fault(0, "a block holds more than 16 MiB"));
            }
            self.offset += length as u64;
        }
    }

    fn fault(&self, at: usize, what: &str) -> Fault {
        Fault::new("bad_hex", self.offset + at as u64, what.to_owned())
    }
}

fn digit(octet: u8) -> Option<u8> {
    let digit = char::from(octet).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Result<Vec<Vec<u8>>, Fault> {
        let mut reader = HexBlocks::new(text.as_bytes());
        let mut blocks = Vec::new();
        while let Some(block) = reader.next()? {
            blocks.push(block);
        }
        Ok(blocks)
    }

    #[test]
    fn blank_lines_part_blocks_and_other_white_space_does_not() {
        let text = "# two\n48 45\n50 3\n3\n\n\n  \n# next\n0102 # tail\n";
        assert_eq!(blocks(text).unwrap(), [b"HEP3".to_vec(), vec![1, 2]]);
    }

    #[test]
    fn faults_say_where() {
        assert_eq!(blocks("0102\n03x4\n").unwrap_err().offset, 7);
        let half = blocks("010").unwrap_err();
        assert_eq!((half.reason, half.offset), ("bad_hex", 3));
    }

    #[test]
    fn only_hex_is_taken_for_hex() {
        assert!(is_hex(b"48 45\r\n50"));
        assert!(!is_hex(b"HEP3"));
        assert!(!is_hex(b"  \n"));
        assert!(!is_hex(b"4845zz"));
    }
}

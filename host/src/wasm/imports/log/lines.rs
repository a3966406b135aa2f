//! Cuts what a guest writes into lines of bounded length.

use crate::id::RequestId;
use std::fmt::Write;

/// Bytes on their way to becoming lines.
pub(super) struct Lines {
    limit: usize,
    partial: Vec<u8>,
    owner: Option<RequestId>,
    /// The line is over its limit; its rest is dropped.
    skipping: bool,
}

/// One line, without its newline.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    bytes: Vec<u8>,
    cut: bool,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Lines { limit, partial: Vec::new(), owner: None, skipping: false }
    }

    /// Takes bytes written on behalf of `owner` and returns the lines that are
    /// complete. An unfinished line of another owner ends here.
    pub(super) fn push(&mut self, bytes: &[u8], owner: Option<RequestId>) -> Vec<Line> {
        let mut lines = Vec::new();
        if self.owner != owner {
            lines.extend(self.finish());
            self.owner = owner;
        }
        let mut pieces = bytes.split(|&b| b == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let ended = pieces.peek().is_some();
            self.append(piece, &mut lines);
            if ended {
                if !self.skipping {
                    lines.push(self.take(false));
                }
                self.skipping = false;
            }
        }
        lines
    }

    /// The unfinished line, if there is one.
    pub(super) fn finish(&mut self) -> Option<Line> {
        self.skipping = false;
        (!self.partial.is_empty()).then(|| self.take(false))
    }

    fn append(&mut self, piece: &[u8], lines: &mut Vec<Line>) {
        if self.skipping {
            return;
        }
        let room = self.limit - self.partial.len().min(self.limit);
        self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            lines.push(self.take(true));
            self.skipping = true;
        }
    }

    fn take(&mut self, cut: bool) -> Line {
        let mut bytes = std::mem::take(&mut self.partial);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Line { bytes, cut }
    }
}

impl Line {
    /// `bytes` as one line, also if there are newlines in it.
    pub(super) fn of(bytes: &[u8], limit: usize) -> Self {
        Line { bytes: bytes[..bytes.len().min(limit)].to_vec(), cut: bytes.len() > limit }
    }

    /// What the line takes of its request's share.
    pub(super) fn cost(&self) -> u64 {
        self.bytes.len() as u64 + 1
    }

    /// The line with everything that could disturb a terminal or a log's reader
    /// made visible.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes.len() + 8);
        for c in String::from_utf8_lossy(&self.bytes).chars() {
            if c.is_control() && c != '\t' {
                // Writing to a string cannot fail.
                let _ = write!(text, "{}", c.escape_default());
            } else {
                text.push(c);
            }
        }
        if self.cut {
            text.push_str(" (cut)");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &mut Lines, bytes: &[u8]) -> Vec<String> {
        lines.push(bytes, None).iter().map(Line::text).collect()
    }

    #[test]
    fn lines_end_at_newlines_however_they_are_written() {
        let mut lines = Lines::new(100);
        assert_eq!(texts(&mut lines, b"a\nb"), ["a"]);
        assert_eq!(texts(&mut lines, b"c\r\n\nd\n"), ["bc", "", "d"]);
        assert_eq!(lines.finish(), None);
        assert!(texts(&mut lines, b"end").is_empty());
        assert_eq!(lines.finish().unwrap().text(), "end");
    }

    #[test]
    fn a_line_without_end_is_cut_and_its_rest_dropped() {
        let mut lines = Lines::new(4);
        assert_eq!(texts(&mut lines, b"abcdefgh"), ["abcd (cut)"]);
        for _ in 0..1000 {
            assert!(texts(&mut lines, &[b'x'; 1000]).is_empty());
        }
        assert_eq!(texts(&mut lines, b"x\nok\n"), ["ok"]);
        assert_eq!(texts(&mut lines, b"abcd\n"), ["abcd"]);
    }

    #[test]
    fn control_bytes_and_bad_utf8_are_made_visible() {
        let mut lines = Lines::new(100);
        assert_eq!(texts(&mut lines, b"\x1b[31m\0\xff\tx\n"), ["\\u{1b}[31m\\u{0}\u{fffd}\tx"]);
    }

    #[test]
    fn a_line_ends_where_another_request_begins() {
        let mut lines = Lines::new(100);
        let (a, b) = (Some(RequestId::next()), Some(RequestId::next()));
        assert!(lines.push(b"from a", a).is_empty());
        let ended: Vec<_> = lines.push(b"from b\n", b).iter().map(Line::text).collect();
        assert_eq!(ended, ["from a", "from b"]);
    }
}

//! HTTP/2 by hand, as far as tests need it: frames out, frames in, heads of literals
//! without Huffman (RFC 9113, RFC 7541).

use super::client::Wire;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A whole frame that asks for an answer.
pub(crate) const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

pub(crate) struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection that has exchanged settings.
pub(crate) struct H2 {
    pub wire: Wire,
    next: u32,
}

/// What came of one stream.
#[derive(Debug, Default)]
pub(crate) struct H2Reply {
    /// The `:status`, if a head came.
    pub status: Option<u16>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub ended: bool,
    /// The code of RST_STREAM, if it came.
    pub reset: Option<u32>,
}

impl H2 {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        let mut wire = Wire::of(stream);
        wire.send(PREFACE);
        let mut h2 = H2 { wire, next: 1 };
        h2.send(SETTINGS, 0, 0, &[]);
        h2
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.wire.send(frame_of(kind, flags, stream, payload));
    }

    /// Sends a head; returns its stream.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        end: bool,
    ) -> u32 {
        let mut fields =
            vec![(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")];
        fields.extend(extra);
        self.request_of(&fields, end)
    }

    pub(crate) fn request_of(&mut self, fields: &[(&str, &str)], end: bool) -> u32 {
        let stream = self.next;
        self.next += 2;
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, &block_of(fields));
        stream
    }

    /// Ends a stream with these fields.
    pub(crate) fn trailers(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &block_of(fields));
    }

    /// Opens a stream and resets it in the same breath.
    pub(crate) fn try_reset_at_once(&mut self) -> std::io::Result<()> {
        let stream = self.next;
        self.next += 2;
        let fields =
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test")];
        let mut both = frame_of(HEADERS, END_HEADERS | END_STREAM, stream, &block_of(&fields));
        both.extend(frame_of(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        self.wire.try_send(both)
    }

    /// The next frame; `None` if the connection was closed.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.wire.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.wire.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            // Whoever ends the connection need not take it.
            let _ = self.wire.try_send(frame_of(SETTINGS, ACK, 0, &[]));
        }
        Some(frame)
    }

    /// Reads until this stream is over.
    pub(crate) fn reply(&mut self, stream: u32) -> H2Reply {
        let mut reply = H2Reply::default();
        while !reply.ended && reply.reset.is_none() {
            let Some(frame) = self.frame() else { break };
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => {
                    for (name, value) in decode(&frame.payload) {
                        if name == ":status" {
                            reply.status = value.parse().ok();
                        }
                        reply.headers.insert(name, value);
                    }
                }
                DATA => {
                    reply.body.extend(&frame.payload);
                    // The windows stay as wide as they were.
                    let n = u32::try_from(frame.payload.len()).unwrap();
                    if n > 0 {
                        self.send(WINDOW_UPDATE, 0, 0, &n.to_be_bytes());
                        self.send(WINDOW_UPDATE, 0, stream, &n.to_be_bytes());
                    }
                }
                RST_STREAM => {
                    reply.reset = Some(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
                }
                _ => {}
            }
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                reply.ended = true;
            }
        }
        reply
    }

    pub(crate) fn get(&mut self, path: &str) -> H2Reply {
        let stream = self.request("GET", path, &[], true);
        self.reply(stream)
    }
}

fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn block_of(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A field that is not indexed, with a literal name.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0];
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            out.push(length as u8);
        } else {
            out.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                out.push((rest % 128 + 128) as u8);
                rest /= 128;
            }
            out.push(rest as u8);
        }
        out.extend(text.as_bytes());
    }
    out
}

/// Decodes what `h2` encodes well enough to find the fields that tests look at:
/// statuses from the static table, and names and values that are not Huffman-coded
/// or are left as they are.
fn decode(block: &[u8]) -> Vec<(String, String)> {
    const STATIC: [(u8, &str, &str); 8] = [
        (8, ":status", "200"),
        (9, ":status", "204"),
        (10, ":status", "206"),
        (11, ":status", "304"),
        (12, ":status", "400"),
        (13, ":status", "404"),
        (14, ":status", "500"),
        (28, "content-length", ""),
    ];
    let mut fields = Vec::new();
    let mut at = 0;
    while at < block.len() {
        let byte = block[at];
        if byte & 0x80 != 0 {
            at += 1;
            let found = STATIC.iter().find(|(index, ..)| *index == byte & 0x7f);
            if let Some((_, name, value)) = found {
                fields.push(((*name).to_owned(), (*value).to_owned()));
            }
            continue;
        }
        let bits = if byte & 0x40 != 0 {
            6
        } else if byte & 0x20 != 0 {
            5
        } else {
            4
        };
        let Some(index) = integer(block, &mut at, bits) else { break };
        if byte & 0x60 == 0x20 {
            continue;
        }
        let name = match index {
            0 => match string(block, &mut at) {
                Some(name) => name,
                None => break,
            },
            8..=14 => ":status".to_owned(),
            28 => "content-length".to_owned(),
            other => format!("indexed-{other}"),
        };
        let Some(value) = string(block, &mut at) else { break };
        fields.push((name, value));
    }
    fields
}

fn integer(block: &[u8], at: &mut usize, bits: u32) -> Option<usize> {
    let mask = (1_usize << bits) - 1;
    let mut value = *block.get(*at)? as usize & mask;
    *at += 1;
    if value == mask {
        let mut shift = 0;
        loop {
            let byte = *block.get(*at)? as usize;
            *at += 1;
            value += (byte & 127) << shift;
            shift += 7;
            if byte & 128 == 0 {
                break;
            }
        }
    }
    Some(value)
}

fn string(block: &[u8], at: &mut usize) -> Option<String> {
    let huffman = block.get(*at)? & 0x80 != 0;
    let length = integer(block, at, 7)?;
    let bytes = block.get(*at..*at + length)?;
    *at += length;
    Some(if huffman { huffman_digits(bytes) } else { String::from_utf8_lossy(bytes).into_owned() })
}

/// Huffman-coded digits (RFC 7541 appendix B), which is what statuses and lengths
/// are; anything else is `?`.
fn huffman_digits(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let mut out = String::new();
    let mut at = 0;
    while at < bits.len() {
        let take = |n: usize| {
            bits.get(at..at + n).map(|b| b.iter().fold(0_u16, |v, bit| v << 1 | u16::from(*bit)))
        };
        if let Some(code @ 0..=2) = take(5) {
            out.push((b'0' + code as u8) as char);
            at += 5;
        } else if let Some(code @ 0b011001..=0b011111) = take(6) {
            out.push((b'3' + (code - 0b011001) as u8) as char);
            at += 6;
        } else {
            if bits.len() - at >= 8 {
                out.push('?');
            }
            break;
        }
    }
    out
}

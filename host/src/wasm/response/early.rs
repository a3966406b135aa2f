//! Frames that are taken before the head is sent: the only one of a small body, and
//! one to see that it was not.

use crate::body::Body;
use bytes::Bytes;
use http_body::Frame;

#[derive(Default)]
pub(super) struct Early {
    first: Option<Frame<Bytes>>,
    second: Option<Frame<Bytes>>,
}

#[derive(PartialEq, Eq)]
pub(super) enum Room {
    Left,
    None,
}

impl Early {
    pub(super) fn push(&mut self, frame: Frame<Bytes>) -> Room {
        if self.first.is_none() {
            self.first = Some(frame);
            return Room::Left;
        }
        self.second = Some(frame);
        Room::None
    }

    pub(super) fn pop(&mut self) -> Option<Frame<Bytes>> {
        self.first.take().or_else(|| self.second.take())
    }

    /// The bytes of data in these frames.
    pub(super) fn len(&self) -> u64 {
        let frames = [&self.first, &self.second].into_iter().flatten();
        frames.filter_map(Frame::data_ref).map(|data| data.len() as u64).sum()
    }

    /// The whole of a body that has ended, unless it has several parts or trailers.
    pub(super) fn whole(&mut self) -> Option<Body> {
        if self.second.is_some() || self.first.as_ref().is_some_and(Frame::is_trailers) {
            return None;
        }
        let data = self.first.take().and_then(|frame| frame.into_data().ok());
        Some(data.map_or_else(Body::empty, Body::full))
    }
}

//! One look at what is kept up to date: whether there is something to judge.

use super::depends::{Dependency, Marks};
use crate::wasm::ContentHash;

/// Where to look, and what needs no second judgement.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) depends: Vec<Dependency>,
    pub(super) known: Option<Marks>,
    pub(super) growth: Option<Growth>,
    pub(super) refused: Option<ContentHash>,
}

/// What looked unfinished.
#[derive(Debug)]
pub(super) enum Growth {
    /// How it was, not long ago.
    Recent,
    /// How it was when it last changed, which is long enough ago if it still is so.
    Old(Marks),
}

/// What a look came to.
pub(super) enum Looked<T> {
    /// Nothing can have changed.
    Nothing,
    /// It may still be growing.
    Growing(Marks),
    Judged(T),
}

impl Look {
    /// How all of it is now. Blocks. To be called before reading: a change that comes
    /// later is then seen as one.
    pub(super) fn glance(&self) -> Looked<Marks> {
        let marks = Marks::of(&self.depends);
        match &self.growth {
            Some(Growth::Recent) => Looked::Growing(marks),
            Some(Growth::Old(still)) if *still != marks => Looked::Growing(marks),
            None if self.known.as_ref() == Some(&marks) => Looked::Nothing,
            _ => Looked::Judged(marks),
        }
    }
}

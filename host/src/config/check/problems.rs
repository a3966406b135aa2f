//! All that is wrong with a part of the config: one mistake does not hide the next.

use super::super::place::{Key, Problem};

#[derive(Debug, Default)]
pub(in crate::config) struct Problems(Vec<Problem>);

impl Problems {
    /// Gives what is right, and keeps what is not.
    pub(super) fn note<T>(&mut self, checked: Result<T, impl Into<Problems>>) -> Option<T> {
        checked.map_err(|problems| self.add(problems)).ok()
    }

    pub(super) fn add(&mut self, problems: impl Into<Problems>) {
        self.0.extend(problems.into().0);
    }

    /// The same problems, seen from the table that holds `key`.
    pub(super) fn below(self, key: impl Into<Key>) -> Self {
        let key = key.into();
        self.0.into_iter().map(|problem| problem.below(key.clone())).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Problems(problems.into_iter().collect())
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

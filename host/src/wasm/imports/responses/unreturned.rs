//! The responses that a guest has made and not returned yet.

use super::super::super::pipe::{Budget, CHUNK, Shared};
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p3::Response as GuestResponse;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

pub(in crate::wasm) struct Unreturned {
    budget: Arc<Budget>,
    /// By the place of the response in its table. What a guest drops or reads itself
    /// stays here until its place is taken again; by then its body holds nothing.
    pipes: Vec<Option<Arc<Shared<ErrorCode>>>>,
}

impl Unreturned {
    /// For an instance that serves so many requests at once.
    pub(in crate::wasm) fn new(requests: u64) -> Self {
        let requests = usize::try_from(requests).unwrap_or(usize::MAX);
        Unreturned { budget: Budget::new(CHUNK.saturating_mul(requests)), pipes: Vec::new() }
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    pub(super) fn made(
        &mut self,
        response: &Resource<GuestResponse>,
        shared: Arc<Shared<ErrorCode>>,
    ) {
        let place = place(response);
        if self.pipes.len() <= place {
            self.pipes.resize(place + 1, None);
        }
        self.pipes[place] = Some(shared);
    }

    /// This one has no pipe, and must not be taken for one that had its place before.
    pub(super) fn passed_on(&mut self, response: &Resource<GuestResponse>) {
        if let Some(pipe) = self.pipes.get_mut(place(response)) {
            *pipe = None;
        }
    }

    /// It is the answer to a request: now its client is what slows it down.
    pub(in crate::wasm) fn returned(&mut self, response: &Resource<GuestResponse>) {
        if let Some(shared) = self.pipes.get_mut(place(response)).and_then(Option::take) {
            shared.returned();
        }
    }
}

fn place(response: &Resource<GuestResponse>) -> usize {
    usize::try_from(response.rep()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::super::super::pipe;
    use super::*;

    #[test]
    fn a_response_without_a_pipe_is_not_taken_for_the_one_before_it() {
        let mut unreturned = Unreturned::new(1);
        let place = Resource::new_own(3);
        let (shared, _body) = pipe::unreturned(unreturned.budget());
        unreturned.made(&place, shared.clone());
        assert_eq!(Arc::strong_count(&shared), 3);
        unreturned.passed_on(&place);
        assert_eq!(Arc::strong_count(&shared), 2, "only its ends hold it");
    }
}

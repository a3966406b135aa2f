//! The paths of one host as a tree of segments.
//!
//! `matchit` was tried first. It refuses a catch-all beside a capture, so a mount
//! at `/users` could not stand beside `/users/{id}`, and it finds one pattern
//! only, so the next best could not be asked whether it takes the method.

use super::pattern::{PathPattern, Segment};
use http::Method;

#[derive(Debug, Default)]
pub(super) struct Tree(Node);

/// A route at the end of a path.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Empty takes every method.
    pub(super) methods: Vec<Method>,
    pub(super) route: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by segment.
    literals: Vec<(Box<str>, Node)>,
    capture: Option<Box<Node>>,
    /// Routes whose path ends here.
    here: Vec<Leaf>,
    /// Routes that take the rest, if there is one: `{*name}`.
    rest: Vec<Leaf>,
    /// Mounts: routes that take this path and all below it.
    below: Vec<Leaf>,
}

impl Leaf {
    pub(super) fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether some request could take either of the two.
    fn overlaps(&self, other: &Leaf) -> bool {
        match (self.methods.is_empty(), other.methods.is_empty()) {
            (true, true) => true,
            (false, false) => self.methods.iter().any(|method| other.methods.contains(method)),
            // The one that names its methods is more specific.
            _ => false,
        }
    }
}

impl Tree {
    /// On conflict, returns the route that was there first.
    pub(super) fn insert(&mut self, path: &PathPattern, leaf: Leaf) -> Result<(), usize> {
        let mut node = &mut self.0;
        for segment in path.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal(text),
                Segment::Capture => node.capture.get_or_insert_default(),
                Segment::Rest => return add(&mut node.rest, &node.below, leaf),
            };
        }
        if path.is_mount() {
            add(&mut node.below, &node.rest, leaf)
        } else {
            add(&mut node.here, &[], leaf)
        }
    }

    /// Shows `accept` each route whose path matches, with the captured segments, the
    /// most specific first, until it takes one. A node is visited at most once, so
    /// the number of routes bounds the work, whatever the path.
    pub(super) fn visit<'p>(
        &self,
        path: &'p str,
        mut accept: impl FnMut(&Leaf, &[&'p str]) -> bool,
    ) {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.0.visit(Some(path), &mut Vec::new(), &mut accept);
    }
}

/// Adds a leaf, those that name methods first. `equals` are as specific as `leaves`.
fn add(leaves: &mut Vec<Leaf>, equals: &[Leaf], leaf: Leaf) -> Result<(), usize> {
    if let Some(other) = leaves.iter().chain(equals).find(|other| other.overlaps(&leaf)) {
        return Err(other.route);
    }
    leaves.push(leaf);
    leaves.sort_by_key(|leaf| leaf.methods.is_empty());
    Ok(())
}

impl Node {
    fn literal(&mut self, text: &str) -> &mut Node {
        let at = match self.literals.binary_search_by(|(known, _)| (**known).cmp(text)) {
            Ok(at) => at,
            Err(at) => {
                self.literals.insert(at, (text.into(), Node::default()));
                at
            }
        };
        &mut self.literals[at].1
    }

    /// `rest` is what follows this node, without its slash; `None` if the path ends
    /// here. Returns true once a leaf was accepted.
    fn visit<'p>(
        &self,
        rest: Option<&'p str>,
        captured: &mut Vec<&'p str>,
        accept: &mut impl FnMut(&Leaf, &[&'p str]) -> bool,
    ) -> bool {
        let Some(rest) = rest else {
            return self.here.iter().chain(&self.below).any(|leaf| accept(leaf, captured));
        };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        if let Ok(at) = self.literals.binary_search_by(|(known, _)| (**known).cmp(segment))
            && self.literals[at].1.visit(after, captured, accept)
        {
            return true;
        }
        if let Some(capture) = self.capture.as_ref().filter(|_| !segment.is_empty()) {
            captured.push(segment);
            let accepted = capture.visit(after, captured, accept);
            captured.pop();
            if accepted {
                return true;
            }
        }
        if !rest.is_empty() {
            captured.push(rest);
            let accepted = self.rest.iter().any(|leaf| accept(leaf, captured));
            captured.pop();
            if accepted {
                return true;
            }
        }
        self.below.iter().any(|leaf| accept(leaf, captured))
    }
}

//! Which addresses were the answer to which name: what a guest may connect to
//! because of a name.

use crate::policy::Host;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Pairs that one instance remembers. A guest connects right after it has asked,
/// and no name has hundreds of addresses.
const PAIRS: usize = 256;

/// The newest answers last.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<(IpAddr, String)>);

impl Answers {
    pub(super) fn note(&mut self, host: &Host, addresses: &[IpAddr]) {
        let name = host.to_string();
        for address in addresses.iter().take(PAIRS) {
            self.0.retain(|(known, of)| known != address || *of != name);
            if self.0.len() == PAIRS {
                self.0.pop_front();
            }
            self.0.push_back((*address, name.clone()));
        }
    }

    pub(super) fn names_of(&self, address: IpAddr) -> Vec<String> {
        let of = self.0.iter().filter(|(known, _)| *known == address);
        of.map(|(_, name)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: usize) -> Host {
        Host::Name(format!("{number}.example"))
    }

    #[test]
    fn an_address_has_the_names_that_it_answered_to() {
        let mut answers = Answers::default();
        let [one, two] = [1, 2].map(|end| IpAddr::from([192, 0, 2, end]));
        answers.note(&host(1), &[one, two]);
        answers.note(&host(2), &[two]);
        answers.note(&host(2), &[two]);
        assert_eq!(answers.names_of(one), ["1.example"]);
        assert_eq!(answers.names_of(two), ["1.example", "2.example"]);
    }

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let mut answers = Answers::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        for number in 0..PAIRS + 10 {
            answers.note(&host(number), &[address]);
        }
        let names = answers.names_of(address);
        assert_eq!(names.len(), PAIRS);
        assert_eq!(names[0], "10.example");
    }
}

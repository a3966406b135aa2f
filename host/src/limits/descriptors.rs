//! The limits that stand for a share of the descriptors that the process may have.

use super::ServerLimits;
use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a server without clients needs, generously.
const RESERVE: u64 = 32;

/// Raises the process's limit of descriptors as far as it may, and says what it is now.
pub fn raise_descriptors() -> u64 {
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    // Failing to raise it leaves what we have.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

impl ServerLimits {
    /// These limits with numbers for each 0 that stands for a share of `descriptors`, or
    /// all for which there is no room.
    ///
    /// Nine tenths are for clients. Half of the rest is for static files and half for
    /// outbound connections; components and the admin listener take what these do not
    /// use, which are rarely full at the same time.
    pub fn within(mut self, descriptors: u64) -> Result<Self> {
        let mut problems = Vec::new();
        let of = format!("with {descriptors} descriptors (`ulimit -n`)");
        let most = descriptors.saturating_sub((descriptors / 10).max(RESERVE)).max(1);
        if self.connections == 0 {
            self.connections = most;
        }
        let wanted = self.connections;
        if wanted > most {
            problems.push(format!("`connections` is {wanted}, but {of} there is room for {most}"));
            // What would be left is no measure for the others.
            self.connections = most;
        }
        let of = format!("{of} and {} `connections`", self.connections);
        if self.files_open == 0 {
            self.files_open = room_for_files(descriptors / 10);
        }
        let most = room_for_files(descriptors.saturating_sub(self.connections));
        let wanted = self.files_open;
        if wanted > most {
            problems.push(format!("`files_open` is {wanted}, but {of} there is room for {most}"));
        }
        if self.outbound_open == 0 {
            self.outbound_open = (descriptors / 20).max(RESERVE / 2);
        }
        let most = descriptors.saturating_sub(self.connections).max(RESERVE) / 2;
        let wanted = self.outbound_open;
        if wanted > most {
            problems
                .push(format!("`outbound_open` is {wanted}, but {of} there is room for {most}"));
        }
        ensure!(problems.is_empty(), "{}", problems.join("; "));
        Ok(self)
    }
}

/// How many responses from static folders have room in what clients leave.
fn room_for_files(rest: u64) -> u64 {
    /// A file and its two variants, one of which is chosen when all are open.
    const EACH: u64 = 3;
    rest.max(RESERVE) / 2 / EACH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nought_stands_for_a_share() {
        for (descriptors, connections, files_open) in
            [(10_000, 9_000, 166), (1_000, 900, 16), (64, 32, 5), (20, 1, 5)]
        {
            let limits = ServerLimits::default().within(descriptors).unwrap();
            assert_eq!((limits.connections, limits.files_open), (connections, files_open));
        }
    }

    #[test]
    fn outbound_connections_have_a_share_of_their_own() {
        for (descriptors, share) in [(10_000, 500), (1_000, 50), (256, 16), (20, 16)] {
            let limits = ServerLimits::default().within(descriptors).unwrap();
            assert_eq!(limits.outbound_open, share);
        }
        let limits =
            |outbound_open| ServerLimits { outbound_open, ..ServerLimits::default() }.within(1_000);
        assert_eq!(limits(50).unwrap().outbound_open, 50);
        let error = limits(51).unwrap_err().to_string();
        assert!(
            error.contains("`outbound_open` is 51") && error.contains("room for 50"),
            "{error}"
        );
    }

    #[test]
    fn what_there_is_no_room_for_is_refused() {
        let limits = |connections, files_open| ServerLimits {
            connections,
            files_open,
            ..ServerLimits::default()
        };
        let set = limits(100, 150).within(1_000).unwrap();
        assert_eq!((set.connections, set.files_open), (100, 150));
        let error = limits(901, 1).within(1_000).unwrap_err().to_string();
        assert!(error.contains("`connections` is 901") && error.contains("room for 900"));
        let error = limits(100, 151).within(1_000).unwrap_err().to_string();
        assert!(error.contains("`files_open` is 151") && error.contains("room for 150"));
        let all = ServerLimits { outbound_open: 999, ..limits(901, 999) };
        let error = all.within(1_000).unwrap_err().to_string();
        for name in ["connections", "files_open", "outbound_open"] {
            assert!(error.contains(&format!("`{name}` is")), "{name}: {error}");
        }
    }
}

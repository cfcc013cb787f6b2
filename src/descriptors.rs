//! Open files: as many as the system lets this process have, and what that is enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process needs besides its clients and its pool: the log, the runtime, the tailer, listeners, and a margin.
const OWN: usize = 64;

/// Raises the limit of open files to the most that this process may set, and returns it. The usual 1,024 is a kindness to
/// programs that call select(2).
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it fails, what there was holds.
        _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many client connections may be open at once under a limit of `descriptors`: no more than `wanted`, and at least one.
pub fn connections(wanted: usize, descriptors: usize, pool_connections: u32) -> usize {
    let left = descriptors.saturating_sub(pool_connections as usize + OWN);
    wanted.min(left).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_server_itself() {
        assert_eq!(connections(16_000, 65_536, 8), 16_000);
        assert_eq!(connections(16_000, 1_024, 8), 1_024 - 8 - OWN);
        assert_eq!(connections(16_000, 10, 8), 1);
    }

    #[test]
    fn the_limit_is_raised_to_the_most_there_may_be() {
        let limit = raise();
        let most = getrlimit(Resource::Nofile).maximum.map_or(usize::MAX, |most| most as usize);
        assert_eq!(limit, most);
    }
}

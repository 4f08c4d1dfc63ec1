//! How often somebody may try a password: by address and by user, in memory.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Failures that are let pass before anybody waits. NIST SP 800-63B §5.2.2 allows a hundred; people mistype less.
const FREE: u32 = 5;
/// How long one waits after the next failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait: whoever knows a user's name can keep the user out for this long at most.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Without a failure for this long, everything is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(900);
/// Addresses and users that are remembered; beyond it, what failed longest ago is forgotten.
const REMEMBERED: usize = 10_000;

/// Who fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Address(IpAddr),
    User(String),
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    last: Instant,
}

impl Failed {
    fn wait(self) -> Duration {
        match self.times.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(beyond) => {
                let doubled = 1_u32.checked_shl(beyond - 1).unwrap_or(u32::MAX);
                FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
            }
        }
    }
}

/// Failures of the last quarter of an hour.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<Who, Failed>>);

impl Attempts {
    /// How long this address, or anybody for this user, has to wait before the next attempt. An attempt that may be
    /// made counts as failed until [`succeeded`](Self::succeeded) says otherwise: many at once gain nothing.
    ///
    /// # Errors
    /// The time to wait.
    pub fn begin(&self, address: IpAddr, user: &str, now: Instant) -> Result<(), Duration> {
        let who = [Who::Address(network(address)), Who::User(user.to_owned())];
        let mut failed = self.0.lock();
        let left = who.iter().filter_map(|who| {
            let failed = failed.get(who)?;
            let since = now.saturating_duration_since(failed.last);
            failed.wait().checked_sub(since)
        });
        if let Some(left) = left.max().filter(|left| !left.is_zero()) {
            return Err(left);
        }
        for who in who {
            make_room(&mut failed, now);
            let entry = failed.entry(who).or_insert(Failed {
                times: 0,
                last: now,
            });
            if now.saturating_duration_since(entry.last) > FORGOTTEN {
                entry.times = 0;
            }
            entry.times = entry.times.saturating_add(1);
            entry.last = now;
        }
        Ok(())
    }

    /// The attempt that began was none of a stranger.
    pub fn succeeded(&self, address: IpAddr, user: &str) {
        let mut failed = self.0.lock();
        failed.remove(&Who::Address(network(address)));
        failed.remove(&Who::User(user.to_owned()));
    }
}

/// What one person has: an address of IPv4, a network of 64 bits of IPv6 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

fn make_room(failed: &mut HashMap<Who, Failed>, now: Instant) {
    if failed.len() < REMEMBERED {
        return;
    }
    failed.retain(|_, failed| now.saturating_duration_since(failed.last) <= FORGOTTEN);
    if failed.len() < REMEMBERED {
        return;
    }
    // A half at once: looking through all of them for each stranger would be the stranger's gain.
    let mut times: Vec<Instant> = failed.values().map(|failed| failed.last).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    failed.retain(|_, failed| failed.last > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_few_are_free_and_then_waits_double() {
        let attempts = Attempts::default();
        let mut now = Instant::now();
        for _ in 0..FREE {
            assert_eq!(attempts.begin(address(1), "ann", now), Ok(()));
        }
        assert_eq!(attempts.begin(address(1), "ann", now), Ok(()));
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(attempts.begin(address(1), "ann", now), Err(wait));
            now += wait;
            assert_eq!(attempts.begin(address(1), "ann", now), Ok(()));
        }
        now += FORGOTTEN + Duration::from_secs(1);
        for _ in 0..FREE {
            assert_eq!(attempts.begin(address(1), "ann", now), Ok(()));
        }
    }

    #[test]
    fn neither_another_address_nor_another_user_helps() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for last in 0..=FREE {
            let last = u8::try_from(last).unwrap();
            assert!(attempts.begin(address(last), "ann", now).is_ok());
        }
        assert!(attempts.begin(address(99), "ann", now).is_err());
        let attempts = Attempts::default();
        for user in 0..=FREE {
            assert!(attempts.begin(address(1), &user.to_string(), now).is_ok());
        }
        assert!(attempts.begin(address(1), "other", now).is_err());
        assert!(attempts.begin(address(2), "other", now).is_ok());
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(v6("2001:db8::1")), network(v6("2001:db8::2:3")));
        assert_eq!(network(v6("::ffff:192.0.2.1")), address(1));
    }

    #[test]
    fn whoever_succeeds_begins_anew() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..20 {
            assert!(attempts.begin(address(1), "ann", now).is_ok());
            attempts.succeeded(address(1), "ann");
        }
    }

    #[test]
    fn strangers_fill_no_memory() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for stranger in 0..3 * REMEMBERED as u64 {
            let later = now + Duration::from_micros(stranger);
            attempts
                .begin(address(1), &stranger.to_string(), later)
                .ok();
            attempts.succeeded(address(1), "");
        }
        assert!(attempts.0.lock().len() <= REMEMBERED + 2);
    }
}

//! All calls of all scenarios, spread over some minutes.

use std::time::Duration;

use super::{Scenario, Sighting};

/// One sighting in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scheduled {
    /// When it happens, since the programme began.
    pub at: Duration,
    /// Which scenario it is of.
    pub scenario: usize,
    /// What is seen, by which of the scenario's agents.
    pub sighting: Sighting,
}

/// What a demonstration plays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Programme {
    /// Calls, registrations and all else that has a scenario.
    pub calls: usize,
    /// How long it takes when it is played as it happens.
    pub length: Duration,
    /// Everything that is seen, in order.
    pub sightings: Vec<Scheduled>,
}

/// Calls begin this long after each other, in the mean.
const BETWEEN: Duration = Duration::from_millis(4_500);

impl Programme {
    /// Each scenario as often as it says, in an order that `round` decides: another round has other calls.
    #[must_use]
    pub fn new(scenarios: &[Scenario], round: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(round);
        let mut order: Vec<(usize, u64)> = Vec::new();
        for (place, scenario) in scenarios.iter().enumerate() {
            let first = round.wrapping_mul(10_000);
            order.extend(
                (0..scenario.count() as u64).map(|number| (place, first.wrapping_add(number))),
            );
        }
        random.shuffle(&mut order);
        let mut sightings = Vec::new();
        for (turn, (place, number)) in (0u32..).zip(&order) {
            let begins = BETWEEN * turn + BETWEEN.mul_f64(random.f64());
            let Some(scenario) = scenarios.get(*place) else {
                continue;
            };
            sightings.extend(
                scenario
                    .play(*number)
                    .into_iter()
                    .map(|sighting| Scheduled {
                        at: begins + sighting.at,
                        scenario: *place,
                        sighting,
                    }),
            );
        }
        sightings.sort_by_key(|scheduled| scheduled.at);
        Self {
            calls: order.len(),
            length: sightings.last().map_or(Duration::ZERO, |last| last.at),
            sightings,
        }
    }
}

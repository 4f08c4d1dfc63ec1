//! Static routes: asked from top to bottom, the first that fits decides, unless it says to go on.

use crate::{
    query::{Query, Subject},
    route::SinkSet,
};

/// One `[[route]]`, its names resolved.
#[derive(Debug, Clone)]
pub struct Route {
    when: Query,
    to: SinkSet,
    then_continue: bool,
    asks_script: bool,
}

impl Route {
    /// A route of what `when` fits to the sinks in `to`; none of them is a skip.
    #[must_use]
    pub fn new(when: Query, to: SinkSet) -> Self {
        Self {
            when,
            to,
            then_continue: false,
            asks_script: false,
        }
    }

    /// Whether the routes below are asked as well, and their sinks added. Default: no.
    #[must_use]
    pub fn then_continue(mut self, then_continue: bool) -> Self {
        self.then_continue = then_continue;
        self
    }

    /// Whether the script is asked about what fits. Default: no.
    #[must_use]
    pub fn asks_script(mut self, asks_script: bool) -> Self {
        self.asks_script = asks_script;
        self
    }
}

/// All routes of a topology, and where a message goes that none of them fits.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    routes: Box<[Route]>,
    default: SinkSet,
    needs_sip: bool,
    needs_payload: bool,
}

/// What became of one message. Reused from message to message, so that deciding allocates nothing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Verdict {
    /// Where it goes.
    pub sinks: SinkSet,
    /// Whether the script is to be asked, whose verdict replaces this one.
    pub asks_script: bool,
    /// How that came about.
    pub decision: Decision,
}

/// Why a message goes where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Decision {
    /// No route fits: the default sinks.
    #[default]
    Default,
    /// The last route that fits, counted from 0, in the order of the configuration.
    Route(usize),
    /// The same, and no route that fits names a sink: a skip, which is counted.
    Skip(usize),
}

impl Routes {
    /// Routes in the order in which they are asked, and the sinks of what none of them fits.
    #[must_use]
    pub fn new(routes: Vec<Route>, default: SinkSet) -> Self {
        Self {
            needs_sip: routes.iter().any(|route| route.when.needs_sip()),
            needs_payload: routes.iter().any(|route| route.when.needs_payload()),
            routes: routes.into(),
            default,
        }
    }

    /// Whether deciding may take the SIP scan of a payload.
    #[must_use]
    pub fn needs_sip(&self) -> bool {
        self.needs_sip
    }

    /// Whether deciding may take the octets of a payload.
    #[must_use]
    pub fn needs_payload(&self) -> bool {
        self.needs_payload
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none, so that a script sees everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Decides about `subject`; whatever `verdict` held before is gone.
    pub fn decide<S: Subject + ?Sized>(&self, subject: &S, verdict: &mut Verdict) {
        verdict.sinks.clear();
        verdict.asks_script = false;
        let mut last = None;
        for (index, route) in self.routes.iter().enumerate() {
            if !route.when.matches(subject) {
                continue;
            }
            last = Some(index);
            verdict.sinks.insert_all(&route.to);
            verdict.asks_script |= route.asks_script;
            if !route.then_continue {
                break;
            }
        }
        verdict.decision = match last {
            None => {
                verdict.sinks.insert_all(&self.default);
                verdict.asks_script = self.routes.is_empty();
                Decision::Default
            }
            Some(index) if verdict.sinks.is_empty() => Decision::Skip(index),
            Some(index) => Decision::Route(index),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        query::{Field, Value},
        route::SinkId,
    };

    /// A subject of which only the capture agent ID is known.
    struct Agent(i64);

    impl Subject for Agent {
        fn any(&self, field: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
            *field == Field::CaptureId && fits(Value::Number(self.0))
        }
    }

    fn sinks(ids: &[u16]) -> SinkSet {
        ids.iter().copied().map(SinkId).collect()
    }

    fn route(when: &str, to: &[u16]) -> Route {
        Route::new(Query::parse(when).unwrap(), sinks(to))
    }

    fn decide(routes: &Routes, agent: i64) -> Verdict {
        // Not a fresh one: nothing of an earlier message may be left.
        let mut verdict = Verdict {
            sinks: sinks(&[3, 99]),
            asks_script: true,
            decision: Decision::Skip(7),
        };
        routes.decide(&Agent(agent), &mut verdict);
        verdict
    }

    #[test]
    fn without_routes_everything_goes_to_the_default_and_a_script_sees_it() {
        let verdict = decide(&Routes::new(vec![], sinks(&[0, 70])), 1);
        assert_eq!(verdict.sinks, sinks(&[0, 70]));
        assert_eq!(verdict.decision, Decision::Default);
        assert!(verdict.asks_script);
    }

    #[test]
    fn the_first_route_that_fits_decides() {
        let routes = Routes::new(
            vec![
                route("capture_id:1", &[1]),
                route("capture_id<5", &[2]).asks_script(true),
                route("", &[3]),
            ],
            sinks(&[0]),
        );
        assert_eq!(decide(&routes, 1).sinks, sinks(&[1]));
        assert_eq!(decide(&routes, 1).decision, Decision::Route(0));
        assert!(!decide(&routes, 1).asks_script);
        assert_eq!(decide(&routes, 2).sinks, sinks(&[2]));
        assert!(decide(&routes, 2).asks_script);
        assert_eq!(decide(&routes, 9).sinks, sinks(&[3]));
    }

    #[test]
    fn what_no_route_fits_goes_to_the_default_and_to_no_script() {
        let routes = Routes::new(vec![route("capture_id:1", &[1])], sinks(&[0, 2]));
        let verdict = decide(&routes, 2);
        assert_eq!(verdict.sinks, sinks(&[0, 2]));
        assert_eq!(verdict.decision, Decision::Default);
        assert!(!verdict.asks_script);
    }

    #[test]
    fn routes_that_continue_add_up() {
        let routes = Routes::new(
            vec![
                route("capture_id<5", &[1])
                    .then_continue(true)
                    .asks_script(true),
                route("capture_id<3", &[2, 1]),
                route("capture_id<9", &[3]).then_continue(true),
            ],
            sinks(&[0]),
        );
        let both = decide(&routes, 2);
        assert_eq!(both.sinks, sinks(&[1, 2]));
        assert_eq!(both.decision, Decision::Route(1));
        assert!(both.asks_script);
        assert_eq!(decide(&routes, 4).sinks, sinks(&[1, 3]));
        assert_eq!(decide(&routes, 6).sinks, sinks(&[3]));
        assert_eq!(decide(&routes, 9).sinks, sinks(&[0]));
    }

    #[test]
    fn a_route_to_nowhere_is_a_skip() {
        let routes = Routes::new(
            vec![
                route("capture_id:1", &[1]).then_continue(true),
                route("capture_id<5", &[]),
            ],
            sinks(&[0]),
        );
        let skipped = decide(&routes, 2);
        assert!(skipped.sinks.is_empty());
        assert_eq!(skipped.decision, Decision::Skip(1));
        assert_eq!(decide(&routes, 1).decision, Decision::Route(1));
        assert_eq!(decide(&routes, 1).sinks, sinks(&[1]));
    }

    #[test]
    fn needs_are_those_of_all_routes() {
        let needs = |when: &str| {
            let routes = Routes::new(
                vec![route("agent:10.0.0.1", &[]), route(when, &[])],
                sinks(&[]),
            );
            (routes.needs_sip(), routes.needs_payload())
        };
        assert_eq!(needs("type:sip"), (false, false));
        assert_eq!(needs("method:INVITE"), (true, false));
        assert_eq!(needs("busy"), (false, true));
    }
}

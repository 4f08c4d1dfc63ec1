//! What is right but should not go unsaid.

use super::{Config, Destination, HepRoute, QUEUE_FRAMES};

impl Config {
    /// Sentences that start-up logs and `hepcat check` prints: a default that is not the module's, and what makes a
    /// node less safe. In lower case, without a full stop.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let names = |chosen: &dyn Fn(&Destination) -> bool| {
            let chosen = self
                .destinations
                .iter()
                .filter(|destination| chosen(destination));
            let names: Vec<_> = chosen
                .map(|destination| format!("`{}`", *destination.name))
                .collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        // With a spool there is no bound that loses messages.
        let bounded = |destination: &Destination| {
            destination.queue.frames_by_default && destination.spool.is_none()
        };
        if let Some(names) = names(&bounded) {
            notes.push(format!(
                "hep_async_max_postponed_chunks is not set: {QUEUE_FRAMES} frames may wait for {names}, \
                 where OpenSIPS has 32"
            ));
        }
        let insecure =
            |destination: &Destination| destination.tls.as_ref().is_some_and(|tls| tls.insecure);
        if let Some(names) = names(&insecure) {
            notes.push(format!(
                "TLS to {names} is insecure: any certificate is accepted, so anybody on the way can read and change \
                 what is sent"
            ));
        }
        if let HepRoute::Named(name) = self.hep.first_route()
            && self.lua.script.is_none()
        {
            notes.push(format!(
                "hep_route names `{name}`, and there is no [lua] script that could have it: messages go where \
                 static routes send them"
            ));
        }
        let asked = |route: &super::Route| route.asks_script.is_some();
        if self.lua.script.is_some() && !self.routes.is_empty() && !self.routes.iter().any(asked) {
            notes.push(
                "[lua] has a script that no [[route]] asks: add `lua = true` to those that should"
                    .to_owned(),
            );
        }
        notes
    }
}

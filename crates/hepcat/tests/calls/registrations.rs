//! Registrations are followed over all their REGISTERs.

use hepcat::call::{Kind, Moment, RegistrationRecord, RegistrationState, State, Tracker};
use hepcat_testkit::scene::{Leg, START_US, Scene, Sip};

use crate::feed::{CALLEE, CALLER, registrations_of, seen, tracker};

struct Phone {
    scene: Scene,
    leg: Leg,
    cseq: u32,
}

impl Phone {
    fn new() -> Self {
        Self {
            scene: Scene::new(),
            leg: Leg::new("reg@phone", "alice", "alice"),
            cseq: 0,
        }
    }

    fn register(&mut self, at: i64, expires: u32, credentials: bool, code: u16) {
        self.cseq += 1;
        let contact = format!("<sip:alice@10.0.0.1:5062;transport=udp>;expires={expires}");
        let register = Sip::request("REGISTER", &self.leg, self.cseq)
            .header("Contact", &contact)
            .header("User-Agent", "Phone/1");
        let register = if credentials {
            register.header("Authorization", "Digest x")
        } else {
            register
        };
        self.scene.add("edge", at, CALLER, CALLEE, &register);
        let response = Sip::response(code, "x", &self.leg, self.cseq, "REGISTER");
        let response = if code == 200 && expires > 0 {
            response.header("Contact", &contact.replace("=3600", "=1800"))
        } else {
            response
        };
        self.scene.add("edge", at + 10, CALLEE, CALLER, &response);
    }
}

fn after(phone: &Phone, at: i64) -> (Tracker, RegistrationRecord) {
    let mut tracker = tracker();
    for (row, observation) in (1..).zip(&phone.scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    tracker.expire(Moment::from_micros(START_US + at * 1_000));
    let mut registrations = registrations_of(tracker.take_changes());
    assert_eq!(registrations.len(), 1);
    let registration = registrations.remove(0);
    (tracker, registration)
}

#[test]
fn what_is_registered_can_be_asked_for_at_any_time() {
    let mut phone = Phone::new();
    phone.register(0, 3_600, true, 200);
    let (tracker, told) = after(&phone, 1_000);
    let known: Vec<RegistrationRecord> = tracker.registrations().collect();
    assert_eq!(known, [told]);
    assert_eq!(known[0].state, RegistrationState::Registered);
}

#[test]
fn a_phone_registers() {
    let mut phone = Phone::new();
    phone.register(0, 3_600, false, 401);
    phone.register(50, 3_600, true, 200);
    let (mut tracker, registration) = after(&phone, 1_000);
    assert_eq!(registration.state, RegistrationState::Registered);
    assert_eq!(
        (&*registration.address_of_record, &*registration.contact),
        ("alice@example.net", "sip:alice@10.0.0.1:5062")
    );
    assert_eq!(
        (
            registration.successes,
            registration.failures,
            registration.challenges
        ),
        (1, 0, 1)
    );
    assert_eq!(registration.user_agent.as_deref(), Some("Phone/1"));
    assert_eq!(registration.source, Some(CALLER.parse().unwrap()));
    // What the registrar granted counts, not what was asked for.
    let expires = registration
        .expires
        .unwrap()
        .since(registration.registered.unwrap());
    assert_eq!(expires.map(|lapse| lapse.as_secs()), Some(1_800));
    tracker.expire(Moment::from_micros(START_US + 1_900_000_000));
    let expired = registrations_of(tracker.take_changes());
    assert_eq!(expired[0].state, RegistrationState::Expired);
}

#[test]
fn it_renews_and_goes() {
    let mut phone = Phone::new();
    phone.register(0, 3_600, true, 200);
    phone.register(900_000, 3_600, true, 200);
    let (_, renewed) = after(&phone, 1_900_000);
    assert_eq!(
        (renewed.state, renewed.successes),
        (RegistrationState::Registered, 2)
    );
    phone.register(2_000_000, 0, true, 200);
    let (_, gone) = after(&phone, 2_001_000);
    assert_eq!(
        (gone.state, gone.successes),
        (RegistrationState::Removed, 3)
    );
    assert!(gone.removed > gone.registered);
}

#[test]
fn it_is_refused() {
    let mut phone = Phone::new();
    phone.register(0, 3_600, false, 401);
    phone.register(50, 3_600, true, 403);
    let (mut tracker, registration) = after(&phone, 1_000);
    assert_eq!(
        (registration.state, registration.final_code),
        (RegistrationState::Failed, Some(403))
    );
    assert_eq!((registration.failures, registration.challenges), (1, 1));
    tracker.close_all();
    let calls = crate::feed::calls_of(tracker.take_changes());
    assert_eq!(
        (calls[0].kind, calls[0].state),
        (Kind::Registration, State::Failed)
    );
    assert_eq!(calls[0].legs[0].registration, Some(registration.id));
}

#[test]
fn another_order_makes_the_same() {
    let mut phone = Phone::new();
    phone.register(0, 3_600, false, 401);
    phone.register(50, 3_600, true, 200);
    phone.register(900_000, 3_600, true, 200);
    let (_, expected) = after(&phone, 1_000_000);
    phone.scene.observations.reverse();
    let (_, backwards) = after(&phone, 1_000_000);
    assert_eq!(backwards, expected);
}

#[test]
fn one_phone_with_a_new_call_id_is_the_same_registration() {
    let mut phone = Phone::new();
    phone.register(0, 3_600, true, 200);
    phone.leg.call_id = "after-reboot@phone".into();
    phone.register(60_000, 3_600, true, 200);
    let (_, registration) = after(&phone, 61_000);
    assert_eq!(
        (registration.successes, &*registration.call_id),
        (2, "after-reboot@phone")
    );
}

//! What happens on real networks, as scenes.

use hepcat_testkit::scene::{Leg, Scene, Sip};

use crate::feed::{CALLEE, CALLER, PCMA, PROXY};

pub(crate) fn basic(call_id: &str) -> Scene {
    let mut scene = Scene::new();
    let leg = Leg::new(call_id, "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    scene.add(
        "edge",
        20,
        CALLEE,
        CALLER,
        &Sip::response(100, "Trying", &leg, 1, "INVITE"),
    );
    ring_and_answer(&mut scene, "edge", &leg);
    bye(&mut scene, "edge", 65_000, &leg);
    scene
}

pub(crate) fn invite(scene: &mut Scene, agent: &str, at: i64, leg: &Leg) {
    let invite = Sip::request("INVITE", leg, 1)
        .header("User-Agent", "Phone/1")
        .sdp("10.0.0.1", 4000, PCMA, "sendrecv");
    scene.add(agent, at, CALLER, CALLEE, &invite);
}

pub(crate) fn ring_and_answer(scene: &mut Scene, agent: &str, leg: &Leg) {
    scene.add(
        agent,
        2_000,
        CALLEE,
        CALLER,
        &Sip::response(180, "Ringing", leg, 1, "INVITE"),
    );
    let ok = Sip::response(200, "OK", leg, 1, "INVITE")
        .header("Server", "Desk/2")
        .sdp("10.0.0.9", 6000, &["8 PCMA/8000"], "sendrecv");
    scene.add(agent, 5_000, CALLEE, CALLER, &ok);
    scene.add(
        agent,
        5_050,
        CALLER,
        CALLEE,
        &Sip::request("ACK", leg, 1).inside(leg),
    );
}

pub(crate) fn bye(scene: &mut Scene, agent: &str, at: i64, leg: &Leg) {
    let bye = Sip::request("BYE", leg, 2)
        .inside(leg)
        .header("Reason", "Q.850;cause=16;text=\"Normal\"");
    scene.add(agent, at, CALLER, CALLEE, &bye);
    scene.add(
        agent,
        at + 10,
        CALLEE,
        CALLER,
        &Sip::response(200, "OK", leg, 2, "BYE"),
    );
}

pub(crate) fn refused(code: u16, phrase: &str) -> Scene {
    let mut scene = Scene::new();
    let leg = Leg::new("refused", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    scene.add(
        "edge",
        300,
        CALLEE,
        CALLER,
        &Sip::response(code, phrase, &leg, 1, "INVITE").header("Reason", "Q.850;cause=17"),
    );
    let ack = Sip::request("ACK", &leg, 1)
        .inside(&leg)
        .vias(&["z9hG4bK-refused-1-INVITE"]);
    scene.add("edge", 310, CALLER, CALLEE, &ack);
    scene
}

pub(crate) fn cancelled() -> Scene {
    let mut scene = Scene::new();
    let leg = Leg::new("cancelled", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    scene.add(
        "edge",
        500,
        CALLEE,
        CALLER,
        &Sip::response(180, "Ringing", &leg, 1, "INVITE"),
    );
    scene.add(
        "edge",
        9_000,
        CALLER,
        CALLEE,
        &Sip::request("CANCEL", &leg, 1),
    );
    scene.add(
        "edge",
        9_010,
        CALLEE,
        CALLER,
        &Sip::response(200, "OK", &leg, 1, "CANCEL"),
    );
    scene.add(
        "edge",
        9_020,
        CALLEE,
        CALLER,
        &Sip::response(487, "Request Terminated", &leg, 1, "INVITE"),
    );
    let ack = Sip::request("ACK", &leg, 1)
        .inside(&leg)
        .vias(&["z9hG4bK-cancelled-1-INVITE"]);
    scene.add("edge", 9_030, CALLER, CALLEE, &ack);
    scene
}

pub(crate) fn challenged(accepted: bool) -> Scene {
    let mut scene = Scene::new();
    let leg = Leg::new("challenged", "alice", "bob");
    for cseq in 1..=2 {
        let at = i64::from(cseq) * 100 - 100;
        let invite = Sip::request("INVITE", &leg, cseq).sdp("10.0.0.1", 4000, PCMA, "sendrecv");
        let invite = if cseq == 2 {
            invite.header("Proxy-Authorization", "Digest x")
        } else {
            invite
        };
        scene.add("edge", at, CALLER, CALLEE, &invite);
        if cseq == 2 && accepted {
            let ok =
                Sip::response(200, "OK", &leg, 2, "INVITE").sdp("10.0.0.9", 6000, PCMA, "sendrecv");
            scene.add("edge", at + 900, CALLEE, CALLER, &ok);
            scene.add(
                "edge",
                at + 950,
                CALLER,
                CALLEE,
                &Sip::request("ACK", &leg, 2).inside(&leg),
            );
        } else {
            scene.add(
                "edge",
                at + 10,
                CALLEE,
                CALLER,
                &Sip::response(407, "Proxy Authentication Required", &leg, cseq, "INVITE"),
            );
            let branch = format!("z9hG4bK-challenged-{cseq}-INVITE");
            scene.add(
                "edge",
                at + 20,
                CALLER,
                CALLEE,
                &Sip::request("ACK", &leg, cseq)
                    .inside(&leg)
                    .vias(&[&branch]),
            );
        }
    }
    scene
}

/// One Call-ID over three hops, seen by an agent on each side of the proxy; `skew` milliseconds between their clocks.
pub(crate) fn three_hops(skew: i64) -> Scene {
    let mut scene = Scene::new();
    scene.skew("far", skew);
    let leg = Leg::new("hops", "alice", "bob");
    let second = "10.0.0.6:5060";
    let hops = [(CALLER, PROXY), (PROXY, second), (second, CALLEE)];
    let branches = ["z9hG4bK-h1", "z9hG4bK-h2", "z9hG4bK-h3"];
    let mut send = |at: i64, forwards: bool, make: &dyn Fn(&[&str]) -> Sip| {
        for step in 0..3 {
            let hop = if forwards { step } else { 2 - step };
            let stack: Vec<&str> = branches[..=hop].iter().rev().copied().collect();
            let (near, far) = hops[hop];
            let (from, to) = if forwards { (near, far) } else { (far, near) };
            let at = at + 5 * i64::try_from(step).expect("small");
            let sip = make(&stack);
            // Each agent sees the hops on its side; both see the one in the middle.
            if hop <= 1 {
                scene.add("near", at, from, to, &sip);
            }
            if hop >= 1 {
                scene.add("far", at + 1, from, to, &sip);
            }
        }
    };
    let sdp = |sip: Sip| sip.sdp("10.0.0.1", 4000, PCMA, "sendrecv");
    send(0, true, &|stack| {
        sdp(Sip::request("INVITE", &leg, 1).vias(stack))
    });
    send(500, false, &|stack| {
        Sip::response(180, "Ringing", &leg, 1, "INVITE").vias(stack)
    });
    send(3_000, false, &|stack| {
        Sip::response(200, "OK", &leg, 1, "INVITE")
            .vias(stack)
            .sdp("10.0.0.9", 6000, PCMA, "sendrecv")
    });
    let other = |stack: &[&str], name: &str| -> Vec<String> {
        stack
            .iter()
            .map(|branch| format!("{branch}-{name}"))
            .collect()
    };
    send(3_050, true, &|stack| {
        let stack = other(stack, "ack");
        Sip::request("ACK", &leg, 1)
            .inside(&leg)
            .vias(&stack.iter().map(String::as_str).collect::<Vec<_>>())
    });
    send(20_000, true, &|stack| {
        let stack = other(stack, "bye");
        Sip::request("BYE", &leg, 2)
            .inside(&leg)
            .vias(&stack.iter().map(String::as_str).collect::<Vec<_>>())
    });
    send(20_100, false, &|stack| {
        let stack = other(stack, "bye");
        Sip::response(200, "OK", &leg, 2, "BYE")
            .vias(&stack.iter().map(String::as_str).collect::<Vec<_>>())
    });
    scene
}

/// A proxy that rings two phones; one answers, the other is cancelled.
pub(crate) fn forked() -> Scene {
    let mut scene = Scene::new();
    let leg = Leg::new("forked", "alice", "bob");
    let other = "10.0.0.8:5060";
    let top = "z9hG4bK-f0";
    let sdp = |sip: Sip, port| sip.sdp("10.0.0.1", port, PCMA, "sendrecv");
    scene.add(
        "edge",
        0,
        CALLER,
        PROXY,
        &sdp(Sip::request("INVITE", &leg, 1).vias(&[top]), 4000),
    );
    for (branch, phone, tag, at) in [
        ("z9hG4bK-f1", CALLEE, "one", 5),
        ("z9hG4bK-f2", other, "two", 6),
    ] {
        scene.add(
            "edge",
            at,
            PROXY,
            phone,
            &sdp(Sip::request("INVITE", &leg, 1).vias(&[branch, top]), 4000),
        );
        let ringing = |vias: &[&str]| {
            Sip::response(180, "Ringing", &leg, 1, "INVITE")
                .to_tag(tag)
                .vias(vias)
        };
        scene.add("edge", 400 + at, phone, PROXY, &ringing(&[branch, top]));
        scene.add("edge", 402 + at, PROXY, CALLER, &ringing(&[top]));
    }
    let ok = |vias: &[&str]| {
        sdp(
            Sip::response(200, "OK", &leg, 1, "INVITE")
                .to_tag("two")
                .vias(vias),
            6000,
        )
    };
    scene.add("edge", 4_000, other, PROXY, &ok(&["z9hG4bK-f2", top]));
    scene.add("edge", 4_002, PROXY, CALLER, &ok(&[top]));
    scene.add(
        "edge",
        4_010,
        PROXY,
        CALLEE,
        &Sip::request("CANCEL", &leg, 1).vias(&["z9hG4bK-f1"]),
    );
    scene.add(
        "edge",
        4_015,
        CALLEE,
        PROXY,
        &Sip::response(200, "OK", &leg, 1, "CANCEL").vias(&["z9hG4bK-f1"]),
    );
    scene.add(
        "edge",
        4_020,
        CALLEE,
        PROXY,
        &Sip::response(487, "Request Terminated", &leg, 1, "INVITE")
            .to_tag("one")
            .vias(&["z9hG4bK-f1", top]),
    );
    scene.add(
        "edge",
        4_025,
        PROXY,
        CALLEE,
        &Sip::request("ACK", &leg, 1)
            .to_tag("one")
            .vias(&["z9hG4bK-f1"]),
    );
    scene.add(
        "edge",
        4_100,
        CALLER,
        PROXY,
        &Sip::request("ACK", &leg, 1)
            .to_tag("two")
            .vias(&["z9hG4bK-a"]),
    );
    scene
}

/// Legs on both sides of a B2BUA, answered and released together. `mark` puts into the second what links it.
pub(crate) fn b2bua(mark: impl Fn(usize, Sip) -> Sip, ids: &[&str]) -> Scene {
    let mut scene = Scene::new();
    let hosts = [CALLER, "10.0.1.1:5060", "10.0.2.1:5060", "10.0.3.1:5060"];
    for (place, id) in ids.iter().enumerate() {
        let leg = Leg::new(id, "alice", "bob");
        let (from, to) = (hosts[place], hosts[place + 1]);
        let at = i64::try_from(place).expect("small") * 20;
        let media = u16::try_from(place).expect("small");
        let invite = Sip::request("INVITE", &leg, 1).sdp(
            &format!("10.0.{place}.7"),
            4000 + media,
            PCMA,
            "sendrecv",
        );
        scene.add("edge", at, from, to, &mark(place, invite));
        scene.add(
            "edge",
            3_000 - at,
            to,
            from,
            &mark(place, Sip::response(200, "OK", &leg, 1, "INVITE")),
        );
        scene.add(
            "edge",
            3_100 + at,
            from,
            to,
            &Sip::request("ACK", &leg, 1).inside(&leg),
        );
        scene.add(
            "edge",
            9_000 + at,
            from,
            to,
            &Sip::request("BYE", &leg, 2).inside(&leg),
        );
        scene.add(
            "edge",
            9_010 + at,
            to,
            from,
            &Sip::response(200, "OK", &leg, 2, "BYE"),
        );
    }
    scene
        .observations
        .sort_by_key(|observation| observation.sent_us);
    scene
}

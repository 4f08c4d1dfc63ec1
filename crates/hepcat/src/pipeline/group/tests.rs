use super::*;

const SECOND: Duration = Duration::from_secs(1);
const HOLD: Duration = Duration::from_secs(30);

fn group(kind: &str, members: &str) -> Group {
    let text = format!(
        r#"
[[listener]]
socket = "hep_udp:127.0.0.1:0"
[hep]
hep_id = ["[a] 192.0.2.1", "[b] 192.0.2.2", "[c] 192.0.2.3"]
[[group]]
name = "homers"
kind = "{kind}"
members = {members}
"#
    );
    let config = config::Config::parse(&text, "test.toml").expect("a good configuration");
    Group::new(config.groups[0].clone(), None)
}

fn up() -> Health {
    health(true, None, 0)
}

fn back(back_for: Duration) -> Health {
    health(true, Some(back_for), 0)
}

fn down() -> Health {
    health(false, None, 0)
}

fn health(available: bool, back_for: Option<Duration>, queued: u64) -> Health {
    Health::new(available, back_for, queued)
}

/// The members that take each of `calls`, placed as one batch.
fn place(group: &Group, health: &[Health], calls: &[&str]) -> Vec<Vec<usize>> {
    let mut choice = Choice::default();
    group.begin(&mut choice, health.iter().copied());
    let placed = calls.iter().map(|call| {
        let mut taken = Vec::new();
        group.place(
            &mut choice,
            || Key::of_call(call.as_bytes()),
            |member| taken.push(member),
        );
        taken
    });
    let placed = placed.collect();
    group.end(&choice);
    placed
}

fn one(group: &Group, health: &[Health]) -> usize {
    place(group, health, &["call"])[0][0]
}

#[test]
fn all_members_take_a_copy_whatever_their_state() {
    let group = group("all", r#"["a", "b", "c"]"#);
    assert_eq!(place(&group, &[up(), down(), down()], &["x"]), [[0, 1, 2]]);
    assert_eq!(group.given().collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn failover_goes_by_priority_then_by_the_order_of_the_file() {
    let group = group(
        "failover",
        r#"["c", { name = "a", priority = 5 }, { name = "b" }]"#,
    );
    assert_eq!(one(&group, &[up(), up(), up()]), 0);
    assert_eq!(one(&group, &[down(), up(), up()]), 2);
    assert_eq!(group.active(), Some("b"));
    assert_eq!(one(&group, &[down(), up(), down()]), 1);
    assert_eq!(group.switches(), 2);
}

#[test]
fn failover_returns_after_the_hold_and_not_before() {
    let group = group("failover", r#"["a", "b"]"#);
    assert_eq!(one(&group, &[up(), up()]), 0);
    assert_eq!(one(&group, &[down(), up()]), 1);
    assert_eq!(one(&group, &[back(HOLD - SECOND), up()]), 1);
    assert_eq!(one(&group, &[back(HOLD), up()]), 0);
    // The active one goes: the next takes over at once, held or not.
    assert_eq!(one(&group, &[down(), back(SECOND)]), 1);
}

#[test]
fn failover_starts_with_who_is_up_and_stays_with_the_first_when_nobody_is() {
    let group = group("failover", r#"["a", "b"]"#);
    assert_eq!(one(&group, &[down(), down()]), 0);
    assert_eq!(group.switches(), 0);
    assert_eq!(one(&group, &[down(), up()]), 1);
    assert_eq!(one(&group, &[down(), down()]), 0);
}

#[test]
fn a_changed_failover_group_goes_on_with_its_active_member() {
    let earlier = group("failover", r#"["a", "b"]"#);
    assert_eq!(one(&earlier, &[down(), up()]), 1);
    let spec = group("failover", r#"["c", "a", "b"]"#).spec;
    let changed = Group::new(spec, Some(&earlier));
    assert_eq!(changed.active(), Some("b"));
    assert_eq!(one(&changed, &[back(SECOND), back(SECOND), up()]), 2);
}

#[test]
fn balance_keeps_a_call_together_and_moves_only_the_calls_of_who_is_down() {
    let group = group("balance", r#"["a", "b", "c"]"#);
    let calls: Vec<String> = (0..60).map(|n| format!("{n}@proxy")).collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let before = place(&group, &[up(), up(), up()], &calls);
    let during = place(&group, &[up(), down(), up()], &calls);
    let unheld = place(&group, &[up(), back(SECOND), up()], &calls);
    let after = place(&group, &[up(), back(HOLD), up()], &calls);
    for (before, during) in before.iter().zip(&during) {
        assert!(during != &[1]);
        assert!(before == &[1] || before == during);
    }
    assert_eq!(unheld, during);
    assert_eq!(after, before);
    let home = place(&group, &[down(), down(), down()], &calls);
    assert_eq!(home, before, "where nobody is up, calls wait at home");
    let returning = [down(), back(SECOND), down()];
    assert!(
        place(&group, &returning, &calls)
            .iter()
            .all(|to| to == &[1])
    );
}

#[test]
fn any_goes_to_the_least_queued_and_takes_turns_among_equals() {
    let group = group("any", r#"["a", "b", "c"]"#);
    let health = |queued: [u64; 3]| queued.map(|queued| health(true, None, queued));
    let placed = place(&group, &health([5, 3, 9]), &["1", "2", "3", "4", "5"]);
    assert_eq!(placed, [[1], [1], [0], [1], [0]]);
    // Nothing is queued: the one that had the least so far.
    assert_eq!(place(&group, &health([0, 0, 0]), &["6"]), [[2]]);
    let full = [down(), Health::new(true, None, 1000), down()];
    assert_eq!(place(&group, &full, &["7"]), [[1]]);
    assert_eq!(place(&group, &[down(), down(), down()], &["8"]), [[2]]);
}

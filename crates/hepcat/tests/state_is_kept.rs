//! The small durable state: kept across restarts, one process at a time, never trusted blindly.

use std::{fs, path::Path};

use hepcat::state::{FILE_NAME, State, StateError, switches, traces};
use rusqlite::Connection;
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

async fn open(directory: &Path) -> State {
    State::open(directory).await.expect("opens")
}

async fn capture_switch(state: &State) -> Option<bool> {
    state
        .call(|connection| switches::read(connection, switches::CAPTURE))
        .await
        .expect("reads")
}

async fn turn_capture(state: &State, is_on: bool) {
    state
        .call(move |connection| switches::write(connection, switches::CAPTURE, is_on))
        .await
        .expect("writes");
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let home = directory();
    // Made on the way, for its owner alone.
    let place = home.path().join("a/b");
    let row = traces::TraceRow {
        name: "alice".to_owned(),
        definition: "{}".to_owned(),
        traced: 0,
        ended: None,
    };
    {
        let state = open(&place).await;
        assert_eq!(state.directory(), Some(place.as_path()));
        assert_eq!(capture_switch(&state).await, None);
        turn_capture(&state, false).await;
        let written = row.clone();
        state
            .call(move |connection| traces::write(connection, &written))
            .await
            .expect("writes");
        state
            .call(|connection| {
                traces::progress(
                    connection,
                    &[
                        ("alice".to_owned(), 7, Some("limit".to_owned())),
                        ("nobody".to_owned(), 1, None),
                    ],
                )
            })
            .await
            .expect("writes");
        state.close().await;
    }
    let state = open(&place).await;
    assert_eq!(capture_switch(&state).await, Some(false));
    let rows = state
        .call(|connection| traces::read_all(connection))
        .await
        .expect("reads");
    let ended = traces::TraceRow {
        traced: 7,
        ended: Some("limit".to_owned()),
        ..row
    };
    assert_eq!(rows, [ended]);
    for (name, expected) in [("bob", false), ("alice", true), ("alice", false)] {
        let removed = state
            .call(move |connection| traces::remove(connection, name))
            .await
            .expect("removes");
        assert_eq!(removed, expected, "{name}");
    }
    state.close().await;
    use std::os::unix::fs::PermissionsExt as _;
    for (path, mode) in [(place.clone(), 0o700), (place.join(FILE_NAME), 0o600)] {
        let found = fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(found & 0o777, mode, "{}", path.display());
    }
}

#[tokio::test]
async fn a_directory_belongs_to_one_at_a_time() {
    let home = directory();
    let first = open(home.path()).await;
    let refused = State::open(home.path()).await.expect_err("is taken");
    let StateError::Locked { pid, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    let words = refused.to_string();
    assert!(words.contains("belongs to another running node"), "{words}");
    first.close().await;
    assert!(matches!(
        first.call(|_| Ok(())).await,
        Err(StateError::Closed)
    ));
    first.close().await;
    open(home.path()).await.close().await;
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_an_empty_one_begins() {
    let home = directory();
    let file = home.path().join(FILE_NAME);
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damaged: [Damage; 3] = [
        |_| b"this was never a database, however long it may be".repeat(40),
        |good| good[..good.len() / 2].to_vec(),
        |good| {
            // The header holds, the pages do not.
            let mut octets = good.to_vec();
            octets[4096..].fill(0xff);
            octets
        },
    ];
    let mut kept = Vec::new();
    for damage in damaged {
        let state = open(home.path()).await;
        turn_capture(&state, false).await;
        state.close().await;
        let good = fs::read(&file).expect("is there");
        let bad = damage(&good);
        fs::write(&file, &bad).expect("writes");

        let state = open(home.path()).await;
        let aside = state.set_aside().expect("was damaged").to_owned();
        assert_eq!(fs::read(&aside).expect("is kept"), bad);
        assert_eq!(capture_switch(&state).await, None);
        state.close().await;
        let state = open(home.path()).await;
        assert_eq!(state.set_aside(), None);
        state.close().await;
        assert!(!kept.contains(&aside), "an earlier one was written over");
        kept.push(aside);
    }
}

#[tokio::test]
async fn a_file_of_a_later_version_and_one_of_another_program_are_left_alone() {
    let home = directory();
    let file = home.path().join(FILE_NAME);
    open(home.path()).await.close().await;
    Connection::open(&file)
        .and_then(|connection| connection.pragma_update(None, "user_version", 4711))
        .expect("is ours to change");
    let before = fs::read(&file).expect("is there");
    let refused = State::open(home.path()).await.expect_err("is newer");
    assert!(
        matches!(refused, StateError::Newer { found: 4711, .. }),
        "{refused:?}"
    );
    assert_eq!(fs::read(&file).expect("is there"), before);

    fs::remove_file(&file).expect("is there");
    Connection::open(&file)
        .and_then(|connection| connection.execute_batch("CREATE TABLE bookmarks (url TEXT)"))
        .expect("another program's");
    let refused = State::open(home.path()).await.expect_err("is not ours");
    assert!(matches!(refused, StateError::Foreign { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_said() {
    let home = directory();
    let file = home.path().join("file");
    fs::write(&file, "").expect("writes");
    let refused = State::open(&file.join("below")).await.expect_err("no way");
    assert!(
        matches!(refused, StateError::Directory { .. }),
        "{refused:?}"
    );
    assert!(!refused.remedy().is_empty());
}

#[tokio::test]
async fn without_a_directory_nothing_is_written_and_everything_works() {
    let state = State::in_memory().await.expect("memory");
    assert_eq!(state.directory(), None);
    turn_capture(&state, true).await;
    assert_eq!(capture_switch(&state).await, Some(true));
}

//! Every row of `docs/compatibility.md` names tests, and those tests exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names of functions that stand behind a test attribute in the sources below `directory`.
fn collect(directory: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            tests.extend(tests_of(&text));
        }
    }
}

fn tests_of(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        let attribute = ["#[test]", "#[tokio::test", "#[rstest]"];
        if attribute.iter().any(|start| line.starts_with(start)) {
            is_test = true;
        }
        let function = ["async fn ", "fn "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if let Some((name, _)) = function.and_then(|rest| rest.split_once(['(', '<']))
            && std::mem::take(&mut is_test)
        {
            tests.push(name.to_owned());
        }
    }
    tests
}

#[test]
fn every_row_names_tests_that_exist() {
    let mut tests = BTreeSet::new();
    for directory in ["crates", "interop", "xtask"] {
        collect(&root().join(directory), &mut tests);
    }
    let document = fs::read_to_string(root().join("docs/compatibility.md")).expect("the document");
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    for line in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (Some(id), Some(named)) = (cells.first(), cells.last()) else {
            continue;
        };
        if *id == "id" || id.starts_with("---") {
            continue;
        }
        if !ids.insert(*id) {
            wrong.push(format!("{id} stands twice"));
        }
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("{id} names no test"));
        }
        let absent = named.into_iter().filter(|name| !tests.contains(*name));
        wrong.extend(absent.map(|name| format!("{id} names `{name}`, which is no test")));
    }
    assert!(ids.len() > 50, "only {} rows are read", ids.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Every row of `docs/compatibility.md` and of `docs/faults.md` names tests, and those tests exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The series of rows about what the original does, and how long they are: none may get lost. What comes behind the last
/// is told apart by name.
const SERIES: [(&str, usize); 5] = [("R", 19), ("S", 20), ("T", 5), ("C", 15), ("D", 20)];

/// The tests of each source file, by the file's name.
type Tests = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn collect(directory: &Path, tests: &mut Tests) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let file = path.file_stem().unwrap_or_default().to_string_lossy();
            let of_file = tests.entry(file.into_owned()).or_default();
            of_file.extend(tests_of(&text));
        }
    }
}

/// Names of the functions behind a test attribute.
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

/// A test alone, `file::test`, or a whole file of tests.
fn exists(name: &str, tests: &Tests) -> bool {
    match name.rsplit_once("::") {
        Some((file, test)) => tests.get(file).is_some_and(|found| found.contains(test)),
        None => {
            tests.values().any(|found| found.contains(name))
                || tests.get(name).is_some_and(|found| !found.is_empty())
        }
    }
}

fn all_tests() -> Tests {
    let mut tests = Tests::new();
    for directory in ["crates", "interop", "xtask"] {
        collect(&root().join(directory), &mut tests);
    }
    tests
}

#[test]
fn every_fault_names_tests_that_exist() {
    let tests = all_tests();
    let document = fs::read_to_string(root().join("docs/faults.md")).expect("the document");
    let rows = document.lines().filter(|line| line.starts_with("| "));
    let (mut read, mut wrong) = (0, Vec::new());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let named = cells.last().copied().unwrap_or_default();
        if ["test", "---"].contains(&named) {
            continue;
        }
        read += 1;
        // Commands and files stand between backticks as well.
        let mut names = named.split('`').skip(1).step_by(2).filter(|name| {
            name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        let absent: Vec<_> = names.clone().filter(|name| !exists(name, &tests)).collect();
        wrong.extend(absent.iter().map(|name| format!("`{name}` is no test")));
        if names.next().is_none() {
            wrong.push(format!("no test: {row}"));
        }
    }
    assert!(read > 30, "only {read} rows are read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_names_tests_that_exist() {
    let tests = all_tests();
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
        let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            wrong.push(format!("{id} names no test"));
        }
        let absent = names.into_iter().filter(|name| !exists(name, &tests));
        wrong.extend(absent.map(|name| format!("{id} names `{name}`, which is no test")));
    }
    for (series, length) in SERIES {
        let all = (1..=length).map(|number| format!("{series}{number}"));
        let absent = all.filter(|id| !ids.contains(id.as_str()));
        wrong.extend(absent.map(|id| format!("{id} has no row")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

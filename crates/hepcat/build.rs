//! Builds the page (`web/`) and writes `OUT_DIR/page.rs`, from which the program has its files.
//!
//! What was built once is kept in the user's cache directory under a digest of the sources, so that npm runs when these
//! have changed and not for every target directory. Without npm the build goes on with a warning, and the node serves a
//! plain page that says how to get the real one.
//!
//! | variable | what it does |
//! | --- | --- |
//! | `HEPCAT_UI_DIST` | a directory with the page as somebody else built it: npm is not asked |
//! | `HEPCAT_UI_REQUIRED` | when set, a page that cannot be built is an error |

use std::{
    env,
    error::Error,
    fs::{self, File},
    hash::{DefaultHasher, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

/// What the page is made from, below `web/`.
const SOURCES: [&str; 8] = [
    "index.html",
    "package.json",
    "package-lock.json",
    ".npmrc",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    "src",
];
/// The first release of Node that the tools run on.
const OLDEST_NODE: u32 = 20;
/// Results that stay in the cache.
const KEPT_RESULTS: usize = 16;

/// Why there is no page.
enum Missing {
    /// What it needs is not here: the program can do without.
    Tools(String),
    /// It could have been built, and was not.
    Fault(Box<dyn Error>),
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<String> for Missing {
    fn from(error: String) -> Self {
        Self::Fault(error.into())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_UI").is_none() {
        return Ok(());
    }
    for variable in ["HEPCAT_UI_DIST", "HEPCAT_UI_REQUIRED"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let page = PathBuf::from(variable("OUT_DIR")?).join("page");
    if page.exists() {
        fs::remove_dir_all(&page)?;
    }
    fs::create_dir_all(&page)?;
    let laid = lay(&page);
    fs::write(page.with_extension("rs"), list(&page)?)?;
    match laid {
        Ok(()) => Ok(()),
        Err(Missing::Tools(why)) if env::var_os("HEPCAT_UI_REQUIRED").is_none() => {
            println!("cargo::warning=the web page is left out: {why}");
            Ok(())
        }
        Err(Missing::Tools(why)) => Err(format!("the web page cannot be built: {why}").into()),
        Err(Missing::Fault(error)) => Err(error),
    }
}

/// The files of the page as Rust: name, tag, octets of each.
fn list(page: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    collect(page, &mut files)?;
    files.sort();
    let mut text = "[\n".to_owned();
    for file in files {
        let name = file.strip_prefix(page).unwrap_or(&file);
        let name = name.to_string_lossy().replace('\\', "/");
        let tag = digest(std::slice::from_ref(&file))?;
        text.push_str(&format!(
            "    ({name:?}, \"\\\"{tag}\\\"\", include_bytes!({file:?})),\n"
        ));
    }
    text.push_str("]\n");
    Ok(text)
}

fn variable(name: &str) -> Result<std::ffi::OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}

fn lay(page: &Path) -> Result<(), Missing> {
    if let Some(built) = env::var_os("HEPCAT_UI_DIST").map(PathBuf::from) {
        println!("cargo::rerun-if-changed={}", built.display());
        if !built.join("index.html").is_file() {
            return Err(format!("HEPCAT_UI_DIST: no index.html in {}", built.display()).into());
        }
        return Ok(copy(&built, page)?);
    }
    let web = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../web");
    if !web.join("package.json").is_file() {
        return Err(Missing::Tools("its sources (web/) are not here".to_owned()));
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    let cache = cache_directory()?;
    fs::create_dir_all(&cache)?;
    let result = cache.join(digest(&SOURCES.map(|source| web.join(source)))?);
    if !result.join("index.html").is_file() {
        tools()?;
        // Other builds of this or another clone may be at it.
        let lock = File::create(cache.join("lock"))?;
        lock.lock()?;
        if !result.join("index.html").is_file() {
            build(&web, &result)?;
            tidy(&cache)?;
        }
    }
    Ok(copy(&result, page)?)
}

fn cache_directory() -> Result<PathBuf, String> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty());
    let user = given("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| given("HOME").map(|home| PathBuf::from(home).join(".cache")));
    match user {
        Some(user) => Ok(user.join("hepcat/page")),
        None => Ok(PathBuf::from(variable("OUT_DIR")?).join("page-cache")),
    }
}

/// Whether npm and a Node that is young enough are here.
fn tools() -> Result<(), Missing> {
    let wanted = format!("npm and Node {OLDEST_NODE} or later are needed");
    let version = |program| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| version.trim().to_owned())
    };
    let (Some(node), Some(_)) = (version("node"), version("npm")) else {
        return Err(Missing::Tools(wanted));
    };
    let major = node.trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(OLDEST_NODE..) => Ok(()),
        _ => Err(Missing::Tools(format!("{wanted}, and this is {node}"))),
    }
}

fn build(web: &Path, result: &Path) -> Result<(), Missing> {
    install(web)?;
    let unfinished = result.with_extension(std::process::id().to_string());
    let mut vite = npm(
        web,
        &[
            "run",
            "--silent",
            "build",
            "--",
            "--emptyOutDir",
            "--outDir",
        ],
    );
    run(vite.arg(&unfinished))?;
    if result.exists() {
        fs::remove_dir_all(result)?;
    }
    Ok(fs::rename(&unfinished, result)?)
}

/// What the lock file says, where it is not there yet.
fn install(web: &Path) -> Result<(), Missing> {
    let mark = web.join("node_modules/.installed");
    let wanted = digest(&[web.join("package.json"), web.join("package-lock.json")])?;
    if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    let arguments = [
        "ci",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--fetch-retries=5",
    ];
    run(&mut npm(web, &arguments))
        .map_err(|error| Missing::Tools(format!("npm cannot fetch what it needs\n{error}")))?;
    Ok(fs::write(mark, wanted)?)
}

fn npm(web: &Path, arguments: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(arguments).current_dir(web);
    npm
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Err(format!(
        "{command:?} failed\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    ))
}

/// Removes the results that are oldest, and what a build left behind that was cut short.
fn tidy(cache: &Path) -> io::Result<()> {
    let mut results = Vec::new();
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let modified = entry
                .metadata()?
                .modified()
                .unwrap_or(SystemTime::UNIX_EPOCH);
            results.push((modified, entry.path()));
        }
    }
    results.sort_unstable();
    let surplus = results.len().saturating_sub(KEPT_RESULTS);
    results
        .iter()
        .take(surplus)
        .try_for_each(|(_, path)| fs::remove_dir_all(path))
}

/// A digest of names and contents. Only ever compared with others of the same toolchain.
fn digest(paths: &[PathBuf]) -> io::Result<String> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.file_name().unwrap_or_default().as_encoded_bytes());
        let octets = fs::read(&file)?;
        hasher.write_usize(octets.len());
        hasher.write(&octets);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// All files at and below `path`; none where it does not exist.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.exists() {
        files.push(path.to_owned());
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

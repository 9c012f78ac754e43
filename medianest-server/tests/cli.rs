//! The commands, as people type them.

mod common;

use common::{GIF, PASSWORD, Server, User, medianest};
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output},
};

fn run(data_dir: &Path, args: &[&str]) -> Output {
    medianest(data_dir).args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn wrong_configuration_refuses_to_start_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for (toml, hint) in [
        ("lisen = \"127.0.0.1:1\"", "lisen"),
        ("public_url = \"media.example.org\"", "https://"),
        ("[database]\nurl_file = \"/nowhere\"", "cannot be read"),
        ("[log]\nfilter = \"=,=\"", "log.filter"),
        ("[log]\nfilter = \"[[\"", "log.filter"),
        ("not toml at all", "toml"),
        ("limits.deadline_seconds = 0", "limits.deadline_seconds"),
        ("limits.max_memory = 0", "limits.max_memory"),
        ("limits.max_memory = 1000000", "limits.max_memory"),
        ("limits.max_pixels = 0", "limits.max_pixels"),
        ("[workers]\njobs = 0", "workers.jobs"),
        ("[workers]\ntranscodes = 0", "workers.transcodes"),
        ("[storage]\nmedia_dir = \"media\"", "storage.media_dir must be an absolute path"),
        ("[accounts]\nkeys_dir = \"./keys\"", "accounts.keys_dir must be an absolute path"),
        ("[accounts]\nfirst_admin_password_file = \"/nowhere\"", "cannot be read"),
    ] {
        std::fs::write(dir.path().join("medianest.toml"), toml).unwrap();
        // What the one lets pass the other does not refuse.
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["config", "check"]] {
            let refused = run(dir.path(), command);
            assert!(!refused.status.success(), "{command:?} with {toml}");
            assert_eq!(stderr(&refused).trim_end().lines().count(), 1, "{}", stderr(&refused));
            assert!(stderr(&refused).to_lowercase().contains(hint), "{toml}: {}", stderr(&refused));
        }
    }
    std::fs::remove_file(dir.path().join("medianest.toml")).unwrap();
    let unknown =
        medianest(dir.path()).args(["config", "check"]).env("MEDIANEST_LISEN", "x").output().unwrap();
    assert!(!unknown.status.success() && stderr(&unknown).contains("lisen"), "{}", stderr(&unknown));
    let missing = run(dir.path(), &["--config", "/nowhere.toml", "config", "check"]);
    assert!(!missing.status.success() && stderr(&missing).contains("no such file"));
    assert!(run(dir.path(), &["config", "check"]).status.success());
}

#[test]
fn variables_are_over_the_file_and_flags_over_both() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("medianest.toml"), "[http]\nmax_connections = 5\nhead_seconds = 6")
        .unwrap();
    let shown = medianest(dir.path())
        .args(["config", "show"])
        .env("MEDIANEST_HTTP__MAX_CONNECTIONS", "7")
        .env("MEDIANEST_DATABASE__URL", "postgres://u:hunter2@db/x")
        .output()
        .unwrap();
    let config: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(config["http"]["max_connections"], 7);
    assert_eq!(config["http"]["head_seconds"], 6);
    assert_eq!(config["data_dir"].as_str(), dir.path().to_str());
    assert!(!stdout(&shown).contains("hunter2"));
}

#[tokio::test]
async fn the_first_run_makes_an_administrator_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = medianest(dir.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.starts_with("MediaNest is ready")) {
        said.push(lines.next().expect("the server ended before it was ready").unwrap());
    }
    child.kill().ok();
    child.wait().unwrap();
    let said = said.join("\n");
    assert!(said.contains("one-time password"), "{said}");
    assert!(said.contains(dir.path().to_str().unwrap()), "{said}");
    let password = said.split("one-time password ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let server = Server::start_in(dir);
    assert_eq!(server.login("admin", &password).await["user"]["must_change_password"], true);
}

#[tokio::test]
async fn commands_work_beside_a_running_server_and_without_one() {
    let server = Server::start();
    let dir = server.dir.path();
    let added = run(dir, &["user", "add", "ada", "--name", "Ada"]);
    assert!(added.status.success(), "{}", stderr(&added));
    let password = stdout(&added).trim().rsplit(' ').next().unwrap().to_owned();
    let ada = User::new(&server, &server.login("ada", &password).await);
    assert!(ada.is_in().await);
    let twice = run(dir, &["user", "add", "ADA"]);
    assert!(
        !twice.status.success() && stderr(&twice).contains("user_exists") | stderr(&twice).contains("taken")
    );

    // What the command does counts for the server at once.
    assert!(run(dir, &["user", "disable", "ada"]).status.success());
    assert!(!ada.is_in().await);
    assert!(run(dir, &["user", "enable", "ada"]).status.success());
    let listed = run(dir, &["user", "list", "--json"]);
    let users: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(users.as_array().unwrap().len(), 2);

    // Nobody else gets in between.
    let second = run(dir, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!second.status.success() && stderr(&second).contains("another medianest"), "{}", stderr(&second));

    let dir = server.kill();
    let reset = run(dir.path(), &["user", "reset-password", "ada"]);
    assert!(reset.status.success(), "{}", stderr(&reset));
    assert!(run(dir.path(), &["db", "check"]).status.success());
    assert!(!run(dir.path(), &["user", "disable", "admin"]).status.success(), "the last administrator");
}

#[tokio::test]
async fn import_puts_a_folder_in_once() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(folder.path().join("a.gif"), GIF).unwrap();
    std::fs::write(folder.path().join("sub/b & ä.gif"), [GIF, b"x"].concat()).unwrap();
    std::fs::write(folder.path().join("twin.gif"), GIF).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "nothing").unwrap();
    std::fs::write(folder.path().join(".hidden.gif"), GIF).unwrap();
    let path = folder.path().to_str().unwrap();
    let import = |dir: &Path, more: &[&str]| {
        let done = run(dir, &[&["import", path, "--owner", "ada", "--json"], more].concat());
        let report: Value =
            serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", stderr(&done)));
        report
    };
    let first = import(server.dir.path(), &[]);
    assert_eq!(
        (first["skipped"].as_u64(), first["failed"].as_array().unwrap().len()),
        (Some(1), 0),
        "{first}"
    );
    assert_eq!(first["added"].as_u64().unwrap() + first["present"].as_u64().unwrap(), 3);
    let again = import(server.dir.path(), &[]);
    assert_eq!((again["added"].as_u64(), again["present"].as_u64()), (Some(0), Some(3)), "{again}");
    let names: Vec<_> = ada.get("/assets?sort=created_at").await.1["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| asset["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"b & ä.gif".to_owned()), "{names:?}");

    let unknown = run(server.dir.path(), &["import", path, "--owner", "ada", "--library", "Holidays"]);
    assert!(!unknown.status.success() && stderr(&unknown).contains("--create-library"));
    let other = import(server.dir.path(), &["--library", "Holidays", "--create-library"]);
    assert_eq!(other["added"].as_u64().unwrap() + other["present"].as_u64().unwrap(), 3);

    // And without a server.
    let id = ada.id.clone();
    let dir = server.kill();
    std::fs::write(folder.path().join("c.gif"), [GIF, b"yy"].concat()).unwrap();
    let third = import(dir.path(), &[]);
    assert_eq!(third["added"], 1, "{third} {id}");
    let server = Server::start_in(dir);
    let ada = User::new(&server, &server.login("ada", PASSWORD).await);
    assert_eq!(ada.get("/search?q=c.gif").await.1["items"].as_array().unwrap().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn import_goes_on_after_a_folder_that_cannot_be_read() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.gif"), GIF).unwrap();
    // Deeper than a path may be long: nobody can read that, not even root.
    let deep = "for i in $(seq 20); do mkdir -p \"$0\" && cd -P \"$0\" || exit 1; done";
    let made = Command::new("sh").args(["-c", deep, &"x".repeat(250)]).current_dir(folder.path()).status();
    assert!(made.unwrap().success());
    // Of an only user it need not be said whose it becomes.
    let done = run(server.dir.path(), &["import", folder.path().to_str().unwrap(), "--json"]);
    assert!(!done.status.success(), "not everything was put in");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", stderr(&done)));
    assert_eq!(
        (report["added"].as_u64(), report["failed"].as_array().unwrap().len()),
        (Some(1), 1),
        "{report}"
    );
    let admin = server.admin().await;
    assert_eq!(admin.get("/assets").await.1["items"][0]["name"], "a.gif");

    server.user("ada").await;
    let whose = run(server.dir.path(), &["import", folder.path().to_str().unwrap()]);
    assert!(!whose.status.success() && stderr(&whose).contains("--owner"), "{}", stderr(&whose));
}

#[tokio::test]
async fn libraries_are_called_by_name() {
    let server = Server::start();
    let dir = server.dir.path();
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let make = async |user: &User<'_>, name: &str| {
        let made = user.call(Method::POST, "/libraries", Some(serde_json::json!({ "name": name }))).await;
        made.1["id"].as_str().unwrap().to_owned()
    };
    let holidays = make(&ada, "Holidays").await;
    let listed = run(dir, &["library", "list", "--json"]);
    let libraries: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(libraries[0]["name"], "Holidays", "{}", stderr(&listed));
    assert!(stdout(&run(dir, &["library", "list"])).contains(&format!("{holidays}  Holidays")));
    let shown = run(dir, &["recipe", "show", "Holidays"]);
    assert!(shown.status.success() && stdout(&shown).contains("small"), "{}", stderr(&shown));
    assert!(run(dir, &["recipe", "apply", "Holidays"]).status.success());

    make(&bob, "Holidays").await;
    let unclear = run(dir, &["recipe", "show", "Holidays"]);
    assert!(!unclear.status.success() && stderr(&unclear).contains(&holidays), "{}", stderr(&unclear));
    assert!(run(dir, &["recipe", "show", &holidays]).status.success());
    let unknown = run(dir, &["recipe", "show", "Nothing"]);
    assert!(!unknown.status.success() && stderr(&unknown).contains("library list"), "{}", stderr(&unknown));
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_well() {
    let mut server = Server::start();
    let admin = server.admin().await;
    let events = admin.request(Method::GET, "/events").send().await.unwrap();
    assert_eq!(events.status(), 200);
    drop(admin);
    assert!(server.stop(), "an open event stream does not hold it up");
    assert!(!server.dir.path().join("medianest.sock").exists());
}

#[tokio::test]
async fn a_restored_database_is_not_taken_for_the_one_before() {
    let mut server = Server::start();
    let admin = server.admin().await;
    let answer = admin.request(Method::GET, "/events").send().await.unwrap();
    let begin = answer.bytes_stream().next().await.unwrap().unwrap();
    let begin = String::from_utf8(begin.to_vec()).unwrap();
    let cursor = begin.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(admin);
    let refused = run(server.dir.path(), &["db", "restored"]);
    assert!(!refused.status.success(), "a running server does not expect it");
    assert!(server.stop());
    let restored = run(server.dir.path(), &["db", "restored"]);
    assert!(restored.status.success(), "{}", stderr(&restored));
    let server = Server::start_in(server.kill());
    let admin = server.admin().await;
    let resumed = admin.request(Method::GET, "/events").header("last-event-id", cursor).send().await.unwrap();
    assert_eq!(resumed.status(), 410);
    assert_eq!(admin.request(Method::GET, "/events").send().await.unwrap().status(), 200);
}

/// What operators begin with is right as it stands.
#[test]
fn the_configurations_of_the_documentation_are_right() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/examples");
    let secrets = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("admin", PASSWORD),
        ("database", "postgres://medianest:hunter2@db1,db2/medianest?target_session_attrs=read-write"),
        ("replicas", "postgres://medianest:hunter2@db2/medianest"),
        ("redis", "redis://:hunter2@cache:6379"),
        ("s3", "hunter2"),
    ] {
        std::fs::write(secrets.path().join(name), secret).unwrap();
    }
    let page = std::fs::read_to_string(format!("{examples}/../deployments.md")).unwrap();
    let mut found = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        let example = example.unwrap();
        let name = example.file_name().into_string().unwrap();
        assert!(page.contains(&format!("(examples/{name})")), "{name} is in no page");
        let toml = std::fs::read_to_string(example.path()).unwrap();
        let file = secrets.path().join(&name);
        std::fs::write(&file, toml.replace("/run/secrets", secrets.path().to_str().unwrap())).unwrap();
        let checked = Command::new(env!("CARGO_BIN_EXE_medianest"))
            .args(["--config", file.to_str().unwrap(), "config", "check"])
            .env_clear()
            .output()
            .unwrap();
        assert!(checked.status.success(), "{name}: {}", stderr(&checked));
        found += 1;
    }
    assert_eq!(found, 3);
}

#[test]
fn doctor_completions_and_help_say_what_they_should() {
    let dir = tempfile::tempdir().unwrap();
    let doctor = run(dir.path(), &["doctor", "--json"]);
    let checks: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert!(checks.as_array().unwrap().iter().any(|check| check["name"] == "sandbox"), "{checks}");
    // What is linked in is asked, whether or not there is a program of that name.
    let doctor =
        medianest(dir.path()).args(["doctor", "--json"]).env("PATH", "/nonexistent").output().unwrap();
    let checks: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let ffmpeg = checks.as_array().unwrap().iter().find(|check| check["name"] == "FFmpeg").unwrap();
    assert_eq!(ffmpeg["detail"], "encodes H.264 and AAC");
    let fine = |name: &str| {
        let doctor = run(dir.path(), &["doctor", "--json"]);
        let checks: Value = serde_json::from_slice(&doctor.stdout).unwrap();
        checks.as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()["fine"] == true
    };
    #[cfg(unix)]
    for (mode, is_fine) in [(0o700, true), (0o750, false), (0o755, false)] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(fine("data directory"), is_fine, "{mode:o}");
    }
    assert!(stdout(&run(dir.path(), &["completions", "bash"])).contains("reset-password"));
    assert!(!run(dir.path(), &["nonsense"]).status.success());
}

//! `herd check` and `herd config`, and the exit codes of wrong input.

use std::fs;

use crate::program::{finish, herd};

#[test]
fn a_herd_is_drawn_and_its_weak_points_named() {
    let check = finish(&["check"]);
    assert_eq!((check.code, check.stderr.as_str()), (Some(0), ""));
    for part in
        ["goloman: 5 servers, 6 links", "diameter: 3 hops", "cut server: Holiday", "bridge: Holiday-Welsh"]
    {
        assert!(check.stdout.contains(part), "{}", check.stdout);
    }
}

#[test]
fn a_herd_in_two_parts_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    fs::write(&file, "name = 'h'\n[servers.A]\n[servers.B]\n").unwrap();
    let check = finish(&["check", file.to_str().unwrap()]);
    assert_eq!(
        (check.code, check.stderr.as_str()),
        (Some(2), "herd: 2 parts never hear each other: A | B\n")
    );
    let same = finish(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!((same.code, same.stdout, same.stderr), (check.code, check.stdout, check.stderr));
}

#[test]
fn no_more_is_claimed_than_a_broken_or_lonely_herd_can_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    let peers = "peer = '127.0.0.1:1'\n[servers.B]\ntalks_with = ['A']\n[servers.C]\n";
    fs::write(&file, format!("name = 'h'\n[servers.A]\n{peers}")).unwrap();
    let parted = finish(&["check", file.to_str().unwrap()]).stdout;
    assert!(parted.contains("bridge: A-B") && !parted.contains("diameter"), "{parted}");

    fs::write(&file, "name = 'h'\n[servers.A]\n").unwrap();
    let lonely = finish(&["check", file.to_str().unwrap()]);
    assert_eq!((lonely.code, lonely.stderr.as_str()), (Some(0), ""));
    assert!(
        lonely.stdout.ends_with("\none server only: nobody else knows what it knows\n"),
        "{}",
        lonely.stdout
    );
}

#[test]
fn an_index_that_cannot_be_used_is_named_with_its_key_before_and_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    fs::write(folder.path().join("wrong"), "nonsense\n").unwrap();
    for (section, index, complaint) in [
        ("places", "missing", "[places] index: cannot open "),
        ("places", "wrong", "[places] index: this is no place index"),
        ("messages", "missing", "[messages] index: cannot open "),
        ("messages", "wrong", "[messages] index: line 1 is no message"),
    ] {
        let text =
            format!("name = 'h'\n[servers.A]\nlisten.line = '127.0.0.1:0'\n[{section}]\nindex = '{index}'\n");
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        for args in [vec!["check", file], vec!["serve", "A", "--config", file], vec!["up", "--config", file]]
        {
            let run = finish(&args);
            assert_eq!(run.code, Some(2), "{args:?}: {}", run.stderr);
            assert!(run.stderr.contains(complaint), "{args:?}: {}", run.stderr);
            // Told once, on one line.
            assert_eq!(
                (run.stderr.lines().count(), run.stderr.matches(index).count()),
                (1, 1),
                "{}",
                run.stderr
            );
        }
    }
}

#[test]
fn wrong_arguments_and_configurations_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    fs::write(&file, "name = 'h'\n[servers.A]\ntalk_with = []\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, complaint) in [
        (
            vec!["check", file],
            "herd.toml:3: unknown key \"talk_with\" in [servers.A]; did you mean \"talks_with\"?",
        ),
        (vec!["up", "--config", file], "herd.toml:3: unknown key"),
        (vec!["check", "no-such.toml"], "cannot read the configuration \"no-such.toml\""),
        (vec!["config", "--preset", "golman"], "did you mean \"goloman\"?"),
        (vec!["config", "--port-base", "65500"], "the ports from --port-base 65500 would pass 65535"),
        (vec!["serve", "Wells"], "the herd goloman has no server Wells; did you mean \"Welsh\"?"),
        (vec!["serve", "a b"], "a name is made of letters"),
        (vec!["serve", "Welsh", "--threads", "0"], "0 is not in 1..=1024"),
        (vec!["serve", "Welsh", "--threads", "1025"], "1025 is not in 1..=1024"),
        (vec!["up", "--seed", "5"], "--demo <N>"),
        (vec!["check", file, "--config", file], "cannot be used with"),
        (vec!["fly"], "unrecognized subcommand 'fly'"),
        (vec!["iamat", "127.0.0.1:1"], "required arguments"),
        (vec!["iamat", "nowhere", "c", "+1+1"], "expected an address such as 127.0.0.1:12000"),
        (vec!["iamat", "127.0.0.1:1", "a b", "+1+1"], "expected a word without white space, found \"a b\""),
    ] {
        let run = finish(&args);
        assert_eq!(run.code, Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(complaint), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn the_effective_configuration_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    let printed = finish(&["config", "--preset", "farmar", "--port-base", "20000"]);
    fs::write(&file, &printed.stdout).unwrap();
    let again = finish(&["config", "--config", file.to_str().unwrap()]);
    // Saved elsewhere, it means the same: its paths are absolute.
    let logs = std::env::current_dir().unwrap().join("logs");
    assert!(printed.stdout.contains(&format!("log_dir = {logs:?}\n")), "{}", printed.stdout);
    assert_eq!((again.code, again.stdout), (Some(0), printed.stdout));
}

#[test]
fn whoever_reads_may_stop_before_the_end() {
    for command in ["check", "config"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = herd(&[command]).stdout(writer).output().unwrap();
        assert_eq!((run.status.code(), run.stderr.as_slice()), (Some(0), &b""[..]), "{command}");
    }
}

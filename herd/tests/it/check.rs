//! `herd check` and `herd config`, and the exit codes of wrong input.

use std::fs;

use crate::program::finish;

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
    // Paths in a file are relative to its folder.
    let resolve = |text: &str, name: &str| {
        text.replace(&format!("{name:?}"), &format!("{:?}", folder.path().join(name)))
    };
    let expected = resolve(&resolve(&printed.stdout, "logs"), "herd-data");
    assert_eq!((again.code, again.stdout), (Some(0), expected));
}

//! Claims about refusals that one line in the table of mistakes is too little for.

use super::*;

/// Broke: digits without quotes are a number, and serde's complaint about one repeats it.
#[test]
fn a_secret_without_quotes_does_not_show() {
    let bare =
        ["4815162342123456", "4815162342.5", "0x4815162342", "1e48", "true", "2015-01-06", "['4815162342']"];
    let keys = [("", "secret"), ("[places]\n", "api_key"), ("[messages]\n", "bearer_token")];
    for (header, key) in keys {
        for value in bare {
            let error = parse(&format!("name = 'h'\n{header}{key} = {value}")).unwrap_err().to_string();
            assert!(error.ends_with(": expected text in quotes") && error.contains(key), "{error}");
            let line = 2 + header.lines().count();
            assert!(error.starts_with(&format!("herd.toml:{line}: {key}")), "{error}");
        }
        // The syntax is wrong already; not even then.
        for value in [
            "48151623421234564815162342",
            "04815162342",
            "4815162342abc",
            "'4815162342",
            "4815162342 4815162342",
        ] {
            let error = parse(&format!("name = 'h'\n{header}{key} = {value}")).unwrap_err().to_string();
            assert!(!error.contains("4815162342"), "{error}");
        }
    }
}

/// Broke: serde reads an array in place of a table by position; `limits = ["1KiB"]` set `line_bytes_max`.
#[test]
fn only_a_table_stands_for_a_table() {
    for (line, complaint) in [
        ("servers = [{}]", "servers: expected a table, found array"),
        ("servers.A = [[], 'x']", "A in [servers]: expected a table, found array"),
        ("[[servers.A]]", "A in [servers]: expected a table, found array"),
        (
            "servers.A.listen = ['127.0.0.1:7777', '127.0.0.1:7778']",
            "listen in [servers.A]: expected a table, found array",
        ),
        ("places = ['embedded']", "places: expected a table, found array"),
        ("messages = ['embedded']", "messages: expected a table, found array"),
        ("limits = ['1KiB']", "limits: expected a table, found array"),
        ("traffic = [false]", "traffic: expected a table, found array"),
        ("[[traffic]]", "traffic: expected a table, found array"),
        ("traffic = false", "traffic: expected a table, found boolean"),
        ("tls = ['a', 'b', 'c']", "tls: expected a table, found array"),
    ] {
        let error = parse(&format!("name = 'h'\n{line}")).unwrap_err().to_string();
        assert_eq!(error, format!("herd.toml:2: {complaint}"), "{line}");
    }
}

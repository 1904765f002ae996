//! Claims about the configuration: what is accepted, what it means, and what is said about what is not.

use super::*;

mod refusals;

fn parse(text: &str) -> Result<Config, ConfigError> {
    let environment = |name: &str| (name == "HERD_SECRET").then(|| "correct horse battery".to_owned());
    Config::parse(text, "herd.toml", Path::new("etc"), &environment)
}

fn names(names: &[Name]) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

#[test]
fn each_preset_has_the_edges_of_the_specification() {
    for (preset, servers, edges) in [
        (
            Preset::Goloman,
            "Goloman Hands Holiday Welsh Wilkes",
            "Goloman-Hands Goloman-Holiday Goloman-Wilkes Hands-Wilkes Holiday-Welsh Holiday-Wilkes",
        ),
        (
            Preset::Farmar,
            "Farmar Gasol Hill Meeks Young",
            "Farmar-Meeks Farmar-Young Gasol-Meeks Gasol-Young Hill-Meeks",
        ),
        (
            Preset::Riley,
            "Riley Jaquez Juzang Campbell Bernard",
            "Riley-Jaquez Riley-Juzang Jaquez-Bernard Jaquez-Campbell Juzang-Bernard Juzang-Campbell",
        ),
        (
            Preset::Bailey,
            "Bailey Bona Campbell Clark Jaquez",
            "Bona-Bailey Bona-Clark Bona-Campbell Clark-Jaquez Campbell-Bailey Campbell-Jaquez",
        ),
    ] {
        let config = preset.config().unwrap();
        assert_eq!(config.name.as_str(), preset.name());
        let found: Vec<&str> = config.servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(found.join(" "), servers);
        let mut expected: Vec<(usize, usize)> = edges
            .split(' ')
            .map(|edge| {
                let (a, b) = edge.split_once('-').unwrap();
                let place = |end: &str| found.iter().position(|name| *name == end).unwrap();
                (place(a).min(place(b)), place(a).max(place(b)))
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(config.edges(), expected, "{preset}");
        for (i, server) in config.servers.iter().enumerate() {
            assert_eq!(server.line.unwrap().to_string(), format!("127.0.0.1:{}", 12_000 + i));
            assert_eq!(server.peer.unwrap().to_string(), format!("127.0.0.1:{}", 12_300 + i));
            assert_eq!(server.admin.unwrap().to_string(), format!("127.0.0.1:{}", 12_200 + i));
        }
        let is_messages = matches!(config.nearby, NearbyConfig::Messages(_));
        assert_eq!(is_messages, preset == Preset::Farmar);
    }
}

#[test]
fn no_two_presets_write_one_log_file() {
    let mut files = std::collections::BTreeSet::new();
    for preset in Preset::ALL {
        let config = preset.config().unwrap();
        for server in &config.servers {
            assert!(files.insert(config.log_dir.join(server.name.as_str())), "{preset}: {}", server.name);
        }
    }
}

#[test]
fn the_examples_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut parsed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).unwrap();
            parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            parsed += 1;
        }
    }
    assert!(parsed > 0);
}

#[test]
fn naming_an_edge_on_either_side_is_enough() {
    let text = "name = 'h'\n[servers.B]\npeer = '127.0.0.1:1'\n[servers.A]\ntalks_with = ['B']\n[servers.C]\ntalks_with = ['B', 'A']\npeer = '127.0.0.1:2'";
    let config = parse(text).unwrap();
    let of = |name| config.neighbours(&Name::new(name).unwrap());
    assert_eq!(names(&of("A")), ["B", "C"]);
    assert_eq!(names(&of("B")), ["A", "C"]);
    assert_eq!(names(&of("C")), ["B", "A"]);
    assert_eq!(names(&of("nobody")), [""; 0]);
}

#[test]
fn what_is_printed_is_read_back() {
    for preset in Preset::ALL {
        let mut config = preset.config().unwrap();
        config.limits.idle_timeout = std::time::Duration::from_millis(1500);
        // Rust would write the bell as `\u{7}`, which is no escape of TOML.
        let [ca, cert, key] =
            ["odd \"\u{7}\\\n/ca.pem", "\u{7f}{server}.pem", "{server}.key"].map(Into::into);
        config.tls = Some(TlsFiles { ca, cert, key });
        let read = Config::parse(&config.to_string(), "printed", Path::new(""), &|_| None).unwrap();
        assert_eq!(read, config);
    }
}

#[test]
fn paths_are_relative_to_the_file_and_secrets_never_show() {
    let text = "name = 'h'\nlog_dir = 'l'\nsecret = '${HERD_SECRET}'\n[servers.A]\n[places]\nindex = 'x.idx'";
    let config = parse(text).unwrap();
    assert_eq!(
        (config.log_dir.as_path(), config.data_dir.as_path()),
        (Path::new("etc/l"), Path::new("etc/herd-data"))
    );
    assert!(
        matches!(&config.nearby, NearbyConfig::Places(places) if places.index.as_deref() == Some(Path::new("etc/x.idx")))
    );
    assert_eq!(config.secret.as_ref().map(Secret::expose), Some(&b"correct horse battery"[..]));
    for shown in [config.to_string(), format!("{config:?}")] {
        assert!(shown.contains("***") && !shown.contains("horse"), "{shown}");
    }
}

#[test]
fn each_server_has_its_own_certificate_and_certificates_do_beyond_loopback() {
    let text = "name = 'h'\n[servers.A]\npeer = '192.0.2.1:1'\n[tls]\nca = '/ca.pem'\ncert = '{server}/c-{server}.pem'\nkey = 'k'";
    let files = parse(text).unwrap().tls.unwrap().of(&Name::new("A").unwrap());
    assert_eq!(files.to_string(), "/ca.pem, etc/A/c-A.pem, etc/k");
}

#[test]
fn a_port_base_moves_every_port() {
    let mut config = Preset::Goloman.config().unwrap();
    let ports = |config: &Config| -> Vec<[u16; 3]> {
        let addresses = config.servers.iter().map(|server| [server.line, server.admin, server.peer]);
        addresses.map(|addresses| addresses.map(|address| address.unwrap().port())).collect()
    };
    config.rebase(20_000).unwrap();
    assert_eq!(ports(&config), (0..5).map(|i| [20_000 + i, 20_200 + i, 20_300 + i]).collect::<Vec<_>>());
    config.rebase(0).unwrap();
    assert_eq!(ports(&config), [[0; 3]; 5]);
    let error = config.rebase(65_300).unwrap_err().to_string();
    assert_eq!(error, "the ports from --port-base 65300 would pass 65535");
}

#[test]
fn an_override_is_checked_like_the_file() {
    let mut config = Preset::Goloman.config().unwrap();
    let name = |text| Name::new(text).unwrap();
    let peer =
        |text: &str| AddressOverride { peer: Some(text.parse().unwrap()), ..AddressOverride::default() };
    for (server, peer, complaint) in [
        ("Wells", peer("127.0.0.1:1"), "the herd goloman has no server Wells; did you mean \"Welsh\"?"),
        (
            "Welsh",
            peer("192.0.2.1:1"),
            "peer in [servers.Welsh]: expected secret, secret_file or [tls], since this address is not loopback, found none of them",
        ),
        (
            "Welsh",
            peer("127.0.0.1:12000"),
            "peer in [servers.Welsh]: servers.Goloman.listen.line has this address already: 127.0.0.1:12000",
        ),
    ] {
        let error = config.clone().readdress(&name(server), peer).unwrap_err();
        assert_eq!(error.to_string(), complaint);
    }
    config.readdress(&name("Welsh"), peer("127.0.0.1:9")).unwrap();
    assert_eq!(config.server(&name("Welsh")).unwrap().peer.unwrap().port(), 9);
}

/// Each mistake, and what is said about it.
const MISTAKES: &[(&str, &str)] = &[
    ("", "herd.toml:1: missing key \"name\" at the top level"),
    ("secret = '${HERD_SECRET}'\n[servers.A]", "herd.toml:1: missing key \"name\" at the top level"),
    ("[traffic]\nenabled = true\n[servers.A]", "herd.toml:1: missing key \"name\" at the top level"),
    ("[tls]\nca = 'a'\nkey = 'k'\n[servers.A]", "herd.toml:1: missing key \"cert\" in [tls]"),
    ("name = 'h'", "herd.toml:1: servers: expected at least one [servers.NAME], found none"),
    ("name = 'h\n", "herd.toml:1: invalid literal string, expected `'`"),
    ("name = 5", "herd.toml:1: name: invalid type: integer `5`, expected a string"),
    ("name = 'h'\nname = 'i'", "herd.toml:2: duplicate key"),
    ("\nname = 'a b'", "herd.toml:2: name: a name is made of letters, digits, '-', '_' and '.', not ' '"),
    (
        "name = 'h'\n[servers.'a b']",
        "herd.toml:2: a b in [servers]: a name is made of letters, digits, '-', '_' and '.', not ' '",
    ),
    (
        "name = 'h'\nlogdir = 'l'\n[servers.A]",
        "herd.toml:2: unknown key \"logdir\"; did you mean \"log_dir\"?",
    ),
    (
        "name = 'h'\n[servers.Hands]\ntalk_with = ['B']\n[servers.B]",
        "herd.toml:3: unknown key \"talk_with\" in [servers.Hands]; did you mean \"talks_with\"?",
    ),
    (
        "name = 'h'\n[servers.A]\nlisten.lime = ''",
        "herd.toml:3: unknown key \"lime\" in [servers.A.listen]; did you mean \"line\"?",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nttl = '1d'\nlines = 5",
        "herd.toml:5: unknown key \"lines\" in [limits]; expected one of line_bytes_max, connections_max, connections_per_address_max, idle_timeout, reply_bytes_max, clients_max, ttl, future_tolerance, log_bytes_max",
    ),
    (
        "name = 'h'\n[servers.Goloman]\n[servers.A]\ntalks_with = ['Golman']",
        "herd.toml:4: talks_with in [servers.A]: there is no server \"Golman\"; did you mean \"Goloman\"?",
    ),
    (
        "name = 'h'\n[servers.A]\ntalks_with = ['A']",
        "herd.toml:3: talks_with in [servers.A]: expected other servers, found the server itself",
    ),
    (
        "name = 'h'\n[servers.A]\ntalks_with = 'B'\n[servers.B]",
        "herd.toml:3: talks_with in [servers.A]: invalid type: string \"B\", expected a sequence",
    ),
    (
        "name = 'h'\n[servers.A]\ntalks_with = ['B']\n[servers.B]",
        "herd.toml:2: peer in [servers.A]: expected a peer address here or for B: one of the two has to be dialled",
    ),
    (
        "name = 'h'\n[servers.A]\npeer = '127.0.0.1:1'\n[servers.B]\nlisten.line = '127.0.0.1:1'",
        "herd.toml:5: line in [servers.B.listen]: servers.A.peer has this address already: 127.0.0.1:1",
    ),
    (
        "name = 'h'\n[servers.A.listen]\nline = '127.0.0.1'",
        "herd.toml:3: line in [servers.A.listen]: expected an address such as \"127.0.0.1:12000\" or \"[::1]:12000\", found \"127.0.0.1\"",
    ),
    (
        "name = 'h'\n[servers.A]\npeer = 'localhost:99999'",
        "herd.toml:3: peer in [servers.A]: expected an address such as \"127.0.0.1:12000\" or \"[::1]:12000\", found \"localhost:99999\"",
    ),
    (
        "name = 'h'\nsecret = '${HERD_SECRET}'\n[servers.A]\npeer = '0.0.0.0:1'",
        "herd.toml:4: peer in [servers.A]: expected an address that the other servers can dial, found 0.0.0.0:1",
    ),
    (
        "name = 'h'\n[servers.A]\npeer = '192.0.2.1:1'",
        "herd.toml:3: peer in [servers.A]: expected secret, secret_file or [tls], since this address is not loopback, found none of them",
    ),
    (
        "name = 'h'\nsecret = '${NO_SUCH}'\n[servers.A]",
        "herd.toml:2: secret: expected the environment variable NO_SUCH to be set, it is not",
    ),
    ("name = 'h'\nsecret = 'short'\n[servers.A]", "herd.toml:2: secret: expected at least 16 bytes, found 5"),
    (
        "name = 'h'\nsecret_file = 'none'\n[servers.A]",
        "herd.toml:2: secret_file: expected a readable file, found \"etc/none\": No such file or directory (os error 2)",
    ),
    (
        "name = 'h'\nsecret = '${HERD_SECRET}'\nsecret_file = 'none'\n[servers.A]",
        "herd.toml:3: secret_file: expected either secret or secret_file, found both",
    ),
    ("name = 'h'\n[servers.A]\n[tls]\nca = 'a'\nkey = 'k'", "herd.toml:3: missing key \"cert\" in [tls]"),
    ("name = 'h'\n[servers.A]\n[ tls ]\nca = 'a'\nkey = 'k'", "herd.toml:3: missing key \"cert\" in [tls]"),
    (
        "name = 'h'\nservers.A = {}\ntls = { ca = 'a', key = 'k' }",
        "herd.toml:3: missing key \"cert\" in [tls]",
    ),
    ("name = 'h'\nservers.A = {}\ntls.ca = 'a'\ntls.key = 'k'", "herd.toml:3: missing key \"cert\" in [tls]"),
    (
        "name = 'h'\n[servers.A]\n[tls]\nca = 'a'\ncert = 'c'\nkeys = 'k'",
        "herd.toml:6: unknown key \"keys\" in [tls]; did you mean \"key\"?",
    ),
    (
        "name = 'h'\n[servers.A]\n[servers.'-a']\n[tls]\nca = 'a'\ncert = 'c'\nkey = 'k'",
        "herd.toml:3: -a in [servers]: expected a name that a certificate can bear, as of a machine",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\n[messages]",
        "herd.toml:4: messages: expected either [places] or [messages], found both",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nprovider = 'embeded'",
        "herd.toml:4: provider in [places]: unknown value \"embeded\"; did you mean \"embedded\"?",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nprovider = 'google'",
        "herd.toml:4: provider in [places]: expected api_key or api_key_file with provider = \"google\", found neither",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nprovider = 'auto'\napi_key = '${HERD_SECRET}'\nindex = 'x'",
        "herd.toml:6: index in [places]: expected no index with provider = \"auto\"",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nprovider = 'google'\napi_key = '${NO_SUCH}'",
        "herd.toml:5: api_key in [places]: expected the environment variable NO_SUCH to be set, it is not",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nprovider = 'google'\napi_key_file = 'none'",
        "herd.toml:5: api_key_file in [places]: expected a readable file, found \"etc/none\": No such file or directory (os error 2)",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nprovider = 'google'\napi_key = 'two words, not a key'",
        "herd.toml:5: api_key in [places]: expected visible ASCII characters, at most 4096",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\napi_key = '0123456789abcdef'",
        "herd.toml:4: api_key in [places]: expected no api_key with provider = \"embedded\"",
    ),
    (
        "name = 'h'\n[servers.A]\n[messages]\nbase_url = 'https://x.example'",
        "herd.toml:4: base_url in [messages]: expected no base_url with provider = \"embedded\"",
    ),
    (
        "name = 'h'\n[servers.A]\n[messages]\nprovider = 'twitter'",
        "herd.toml:4: provider in [messages]: expected base_url with provider = \"twitter\", found none",
    ),
    (
        "name = 'h'\n[servers.A]\n[messages]\nprovider = 'x'\nbearer_token = '0123456789abcdef'\nbase_url = 'http://192.0.2.1'",
        "herd.toml:6: base_url in [messages]: expected https, since a key is sent there, found http beyond loopback",
    ),
    (
        "name = 'h'\n[servers.A]\n[messages]\nbase_url = 'ftp://x.example'",
        "herd.toml:4: base_url in [messages]: expected a URL such as \"https://maps.example\", without user, query or fragment",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\ndeadline = '2m'",
        "herd.toml:4: deadline in [places]: expected 10ms to 1m, found 2m",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nidle_timeout = '10x'",
        "herd.toml:4: idle_timeout in [limits]: invalid value: string \"10x\", expected a duration such as \"250ms\", \"5s\", \"10m\" or \"7d\"",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nidle_timeout = '1ms'",
        "herd.toml:4: idle_timeout in [limits]: expected 10ms to 7d, found 1ms",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nline_bytes_max = '65KiB'",
        "herd.toml:4: line_bytes_max in [limits]: expected 256B to 64KiB, found 65KiB",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nreply_bytes_max = '1 megabyte'",
        "herd.toml:4: reply_bytes_max in [limits]: invalid value: string \"1 megabyte\", expected a size such as \"64KiB\", \"1MiB\" or a number of bytes",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nconnections_max = 0",
        "herd.toml:4: connections_max in [limits]: expected 1 to 1000000, found 0",
    ),
    (
        "name = 'h'\n[servers.A]\n[limits]\nconnections_max = -1",
        "herd.toml:4: connections_max in [limits]: invalid value: integer `-1`, expected u32",
    ),
    (
        "name = 'h'\n[servers.A.listen]\nadmin = '0.0.0.0:1'",
        "herd.toml:3: admin in [servers.A.listen]: expected a loopback address such as 127.0.0.1:12200, found 0.0.0.0:1",
    ),
    (
        "name = 'h'\n[servers.A.listen]\nadmin = '127.0.0.1:1'\nline = '127.0.0.1:1'",
        "herd.toml:3: admin in [servers.A.listen]: servers.A.listen.line has this address already: 127.0.0.1:1",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nttl = '1ms'",
        "herd.toml:4: ttl in [places]: expected 1s to 30d, found 1ms",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nsimilarity = 0.6",
        "herd.toml:4: similarity in [places]: expected 0 to 0.5, found 0.6",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\nsimilarity = nan",
        "herd.toml:4: similarity in [places]: expected 0 to 0.5, found NaN",
    ),
    (
        "name = 'h'\n[servers.A]\n[messages]\nrequests_per_second = 0",
        "herd.toml:4: requests_per_second in [messages]: expected 1 to 10000, found 0",
    ),
    (
        "name = 'h'\n[servers.A]\n[messages]\nrequests_per_day = 0",
        "herd.toml:4: requests_per_day in [messages]: expected 1 to 1000000000, found 0",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\ncache_entries = 0",
        "herd.toml:4: cache_entries in [places]: expected 1 to 100000000, found 0",
    ),
    (
        "name = 'h'\n[servers.A]\n[places]\ncache_bytes = '1KiB'",
        "herd.toml:4: cache_bytes in [places]: expected 1MiB to 1TiB, found 1KiB",
    ),
    (
        "name = 'h'\n[servers.A]\n[traffic]\nfiles_max = 0",
        "herd.toml:4: files_max in [traffic]: expected 1 to 10000, found 0",
    ),
];

#[test]
fn every_mistake_says_file_line_key_and_what_was_expected() {
    for (text, complaint) in MISTAKES {
        let error = parse(text).map(|_| "accepted").unwrap_err();
        assert_eq!(error.to_string(), *complaint, "{text}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the configuration \"no/such.toml\": "), "{error}");
}

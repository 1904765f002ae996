//! Configurations: any text is refused with a reason, or is printed as one that means the same.
//!
//! Input: the text.
#![cfg_attr(fuzzing, no_main)]

use std::path::Path;

use herd::config::Config;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const SECRET: &str = "a secret that nobody is to see";

pub(crate) fn check(input: &[u8]) {
    // Whoever writes it in the wrong place may see it there.
    let Some(text) = str::from_utf8(input).ok().filter(|text| !text.contains(SECRET)) else { return };
    let parse = |text: &str| {
        Config::parse(text, "herd.toml", Path::new(""), &|name| (name == "S").then(|| SECRET.to_owned()))
    };
    match parse(text) {
        Ok(config) => {
            let printed = config.to_string();
            assert!(!printed.contains(SECRET) && !format!("{config:?}").contains(SECRET));
            // In place of a secret stand stars, which are none.
            if !printed.contains("\"***\"") {
                let again = parse(&printed).map_err(|error| format!("{error}\n{printed}")).unwrap();
                assert_eq!(again.to_string(), printed);
            }
        }
        Err(error) => {
            let reason = error.to_string();
            assert!(reason.starts_with("herd.toml:"), "no place: {reason}");
            assert!(!reason.contains(SECRET));
        }
    }
}

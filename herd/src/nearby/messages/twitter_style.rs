//! JSON as Twitter's search of 2009 printed it: one line, its own order of keys, `/` and all but ASCII escaped.

use std::{borrow::Cow, fmt::Write, time::Duration};

use herd_core::position::Position;

/// A search and what is to be said about it, besides its results.
pub(super) struct Search {
    pub(super) at: Position,
    pub(super) radius_km: f64,
    pub(super) per_page: u8,
    /// Largest ID found, 0 if none was.
    pub(super) max_id: u64,
    /// Whether there are older ones.
    pub(super) has_more: bool,
    pub(super) took: Duration,
}

/// One result.
pub(super) struct Tweet<'a> {
    pub(super) id: u64,
    /// Seconds since 1970.
    pub(super) time: u64,
    pub(super) user: &'a str,
    pub(super) user_id: u64,
    pub(super) image_url: Cow<'a, str>,
    pub(super) lang: &'a str,
    pub(super) text: &'a str,
    /// Degrees north and east.
    pub(super) geo: Option<[f64; 2]>,
    /// The program that wrote it and where to find that.
    pub(super) source: [&'a str; 2],
}

/// Prints a whole answer, without a newline.
pub(super) fn print<'a>(search: &Search, results: impl Iterator<Item = Tweet<'a>>) -> String {
    let Search { at, radius_km, per_page, max_id, .. } = search;
    let geocode = format!("geocode={}%2C{}%2C{radius_km:?}km", at.latitude(), at.longitude());
    let mut out = String::from("{\"results\":[");
    for (number, result) in results.enumerate() {
        out.push_str(if number > 0 { "," } else { "" });
        print_result(&result, &mut out);
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "],\"max_id\":{max_id},\"since_id\":0,\"refresh_url\":");
    print_text(&format!("?since_id={max_id}&q=&{geocode}"), &mut out);
    if search.has_more {
        out.push_str(",\"next_page\":");
        print_text(&format!("?page=2&max_id={max_id}&rpp={per_page}&{geocode}&q="), &mut out);
    }
    let _ = write!(out, ",\"results_per_page\":{per_page},\"page\":1,\"completed_in\":");
    let _ = write!(out, "{:.6},\"query\":\"\"}}", search.took.as_secs_f64());
    out
}

/// The answer that says that there is none, without a newline.
pub(in crate::nearby) fn error_body(message: &str) -> String {
    let mut out = String::from("{\"error\":");
    print_text(message, &mut out);
    out + "}"
}

fn print_result(result: &Tweet<'_>, out: &mut String) {
    let texts = [
        ("profile_image_url", &*result.image_url),
        ("created_at", &date(result.time)),
        ("from_user", result.user),
    ];
    out.push('{');
    for (key, text) in texts {
        let _ = write!(out, "\"{key}\":");
        print_text(text, out);
        out.push(',');
    }
    out.push_str("\"to_user_id\":null,\"text\":");
    print_text(result.text, out);
    let _ = write!(out, ",\"id\":{},\"from_user_id\":{},\"geo\":", result.id, result.user_id);
    match result.geo {
        Some([lat, lon]) => {
            let _ = write!(out, "{{\"type\":\"Point\",\"coordinates\":[{lat:?},{lon:?}]}}");
        }
        None => out.push_str("null"),
    }
    out.push_str(",\"iso_language_code\":");
    print_text(result.lang, out);
    out.push_str(",\"source\":");
    let [program, url] = result.source;
    print_text(&format!("&lt;a href=&quot;{url}&quot;&gt;{program}&lt;/a&gt;"), out);
    out.push('}');
}

/// `Fri, 16 Nov 2012 07:38:34 +0000` for seconds since 1970.
fn date(seconds: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let name = |names: &[&'static str], number: u64| {
        usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or_default()
    };
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March of the year 0, so that leap days come last in a year of March to February.
    let since = days + 719_468;
    let (era, day) = (since / 146_097, since % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let year = era * 400 + year + u64::from(month >= 10);
    format!(
        "{}, {:02} {} {year:04} {:02}:{:02}:{:02} +0000",
        name(&WEEKDAYS, days % 7),
        day - (153 * month + 2) / 5 + 1,
        name(&MONTHS, month),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn print_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_as_mail_tells_them() {
        assert_eq!(date(1_353_051_514), "Fri, 16 Nov 2012 07:38:34 +0000");
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(date(1_704_067_199), "Sun, 31 Dec 2023 23:59:59 +0000");
    }

    #[test]
    fn everything_but_ascii_is_escaped() {
        let mut out = String::new();
        print_text("é\u{1f600}\"\\/\u{1}\u{2028}~", &mut out);
        assert_eq!(out, r#""\u00e9\ud83d\ude00\"\\\/\u0001\u2028~""#);
    }
}

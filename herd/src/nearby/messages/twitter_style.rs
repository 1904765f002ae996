//! JSON as Twitter's search of 2009 printed it: one line, its own order of keys, `/` and all but ASCII escaped.

use std::{fmt::Write, time::Instant};

use herd_core::{command::Question, position::Position};

use super::Message;

/// Prints the answer made of `found`, newest first, of which those past the bound belong to a next page.
pub(super) fn print(position: Position, question: Question, found: &[&Message], began: Instant) -> String {
    let shown = &found[..found.len().min(usize::from(question.bound))];
    let max_id = found.iter().map(|message| message.id).max().unwrap_or(0);
    let geocode =
        format!("geocode={}%2C{}%2C{:?}km", position.latitude(), position.longitude(), question.radius_km);
    let mut out = String::from("{\"results\":[");
    for (number, message) in shown.iter().enumerate() {
        out.push_str(if number > 0 { "," } else { "" });
        print_message(message, &mut out);
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "],\"max_id\":{max_id},\"since_id\":0,\"refresh_url\":");
    print_text(&format!("?since_id={max_id}&q=&{geocode}"), &mut out);
    if found.len() > shown.len() {
        out.push_str(",\"next_page\":");
        print_text(&format!("?page=2&max_id={max_id}&rpp={}&{geocode}&q=", question.bound), &mut out);
    }
    let _ = write!(out, ",\"results_per_page\":{},\"page\":1,\"completed_in\":", question.bound);
    let _ = write!(out, "{:.6},\"query\":\"\"}}", began.elapsed().as_secs_f64());
    out
}

fn print_message(message: &Message, out: &mut String) {
    let user = &message.user;
    let texts = [
        ("profile_image_url", format!("http://a1.twimg.com/profile_images/{user}_normal.png")),
        ("created_at", date(message.time)),
        ("from_user", user.clone()),
    ];
    out.push('{');
    for (key, text) in texts {
        let _ = write!(out, "\"{key}\":");
        print_text(&text, out);
        out.push(',');
    }
    out.push_str("\"to_user_id\":null,\"text\":");
    print_text(&message.text, out);
    let _ = write!(out, ",\"id\":{},\"from_user_id\":{},", message.id, user_id(user));
    let _ =
        write!(out, "\"geo\":{{\"type\":\"Point\",\"coordinates\":[{:?},{:?}]}},", message.lat, message.lon);
    out.push_str("\"iso_language_code\":");
    print_text(&message.lang, out);
    out.push_str(",\"source\":");
    print_text("&lt;a href=&quot;http://localhost/&quot;&gt;herd&lt;/a&gt;", out);
    out.push('}');
}

/// A number for a name: always the same one, 31 bits as they were then.
fn user_id(user: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(user.as_bytes()) >> 33
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

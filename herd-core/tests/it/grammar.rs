//! Laws of the grammar: parsing and printing are inverse, ranges are exact, and no bytes do harm. Each check has a
//! slow reference on whole integers.

use herd_core::{
    command::{ClientId, Command, QuestionLimits},
    position::{Location, PackedLocation, Position},
    time::{ClientTime, PackedTime, Timestamp},
    wire::line,
};
use proptest::{collection::vec, prelude::*};

const PLACES: QuestionLimits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };

/// The value of `digits[.digits]` times 10^25, and how many fraction digits it has; `None` if it is malformed or
/// too large to matter.
fn exact(text: &str) -> Option<(u128, usize)> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_malformed = integer.is_empty() || text.ends_with('.') || fraction.len() > 25;
    let digits = format!("{integer}{fraction:0<25}");
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    (!is_malformed && is_number).then(|| Some((digits.parse().ok()?, fraction.len())))?
}

const UNIT: u128 = 10_u128.pow(25);

/// Digits around a limit as well as any others.
fn number(limits: &'static [&'static str], any: &'static str) -> impl Strategy<Value = String> {
    let near = (prop::sample::select(limits), "0{0,3}", "(\\.0{0,20}[0-9]?)?")
        .prop_map(|(limit, zeros, fraction)| format!("{zeros}{limit}{fraction}"));
    prop_oneof![near, any, "[0-9.+e-]{0,6}"]
}

fn time() -> impl Strategy<Value = String> {
    let far = "9223372036\\.85477580[678][0-9]{0,5}";
    prop_oneof![far, number(&["0", "9223372036", "9223372037"], "[0-9]{1,12}(\\.[0-9]{1,12})?")]
}

fn side(limits: &'static [&'static str]) -> impl Strategy<Value = (String, String)> {
    ("[+-]", number(limits, "[0-9]{1,3}(\\.[0-9]{1,9})?"))
}

/// Whether a side of a location is within its range, exactly.
fn is_side(number: &str, integer_digits_max: usize, degrees_max: u128) -> bool {
    let integer_digits = number.find('.').unwrap_or(number.len());
    integer_digits <= integer_digits_max
        && exact(number).is_some_and(|(value, _)| value <= degrees_max * UNIT)
}

fn print(print: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    print(&mut out);
    out
}

proptest! {
    #[test]
    fn a_time_is_its_first_nine_fraction_digits_below_2_63(text in time()) {
        let reference = exact(&text).map(|(value, _)| value / 10_u128.pow(16)).filter(|&nanos| nanos < 1 << 63);
        let parsed = ClientTime::parse(text.as_bytes());
        prop_assert_eq!(parsed.map(|time| u128::from(time.at().as_nanos())), reference);
        let Some(time) = parsed else { return Ok(()) };
        prop_assert_eq!(time.text(), text.as_bytes());
        // It packs if, and only if, some number of digits prints it.
        let fits = (0..=9).filter_map(|digits| PackedTime::new(time.at(), digits));
        let packed: Vec<_> = fits.filter(|&fit| print(|out| fit.print(out)) == text.as_bytes()).collect();
        prop_assert_eq!(time.packed().into_iter().collect::<Vec<_>>(), packed);
    }

    #[test]
    fn a_packed_time_prints_what_parses_to_it(nanos in 0..1_u64 << 63, digits in 0..12_u8) {
        let Some(untold) = 9_u32.checked_sub(digits.into()) else {
            prop_assert_eq!(PackedTime::new(Timestamp::default(), digits), None);
            return Ok(());
        };
        let at = Timestamp::from_nanos(nanos - nanos % 10_u64.pow(untold));
        let packed = PackedTime::new(at, digits).unwrap();
        let text = print(|out| packed.print(out));
        prop_assert_eq!(ClientTime::parse(&text).unwrap().packed(), Some(packed));
        let finer = Timestamp::from_nanos(at.as_nanos() + 1);
        prop_assert_eq!(PackedTime::new(finer, digits).is_some(), untold == 0 || finer == at);
    }

    #[test]
    fn a_location_is_within_its_ranges_to_the_last_digit(
        (north, latitude) in side(&["90", "89", "91", "9", "0"]),
        (east, longitude) in side(&["180", "179", "181", "18", "0"]),
        end in "/?",
    ) {
        let text = format!("{north}{latitude}{east}{longitude}{end}");
        let is_valid = is_side(&latitude, 2, 90) && is_side(&longitude, 3, 180);
        let parsed = Location::parse(text.as_bytes());
        // Two sides that are malformed may make up a location together, but no valid ones make up none.
        let has_odd_sign = latitude.contains(['+', '-']) || longitude.contains(['+', '-']);
        prop_assert!(parsed.is_some() == is_valid || has_odd_sign, "{}", text);
        let Some(location) = parsed.filter(|_| is_valid) else { return Ok(()) };

        let near = |degrees: f64, sign: &str, number: &str| {
            let reference: f64 = format!("{sign}{number}").parse().unwrap();
            let digits = exact(number).unwrap().1;
            if digits <= 13 { degrees.to_bits() == reference.to_bits() } else { (degrees - reference).abs() < 1e-12 }
        };
        prop_assert!(near(location.position().latitude(), &north, &latitude));
        prop_assert!(near(location.position().longitude(), &east, &longitude));

        prop_assert_eq!(location.text(), text.as_bytes());
        let has_few_digits = exact(&latitude).unwrap().1 <= 7 && exact(&longitude).unwrap().1 <= 7;
        prop_assert_eq!(location.packed().is_some(), has_few_digits);
        let Some(packed) = location.packed() else { return Ok(()) };
        prop_assert_eq!(print(|out| packed.print(out)), text.as_bytes());
        prop_assert_eq!(PackedLocation::from_bytes(packed.to_bytes()), Some(packed));
        prop_assert_eq!(packed.position(), location.position());
    }

    #[test]
    fn ten_bytes_are_a_location_only_if_its_text_is(
        layout in prop_oneof![9 => 0..1_u16 << 13, 1 => any::<u16>()],
        (degrees_north, degrees_east) in (0..110_u32, 0..210_u32),
        fractions in any::<(u32, u32)>(),
    ) {
        let scale = |shift: u32| 10_u32.pow(u32::from(layout >> shift & 7));
        let side = |degrees, fraction, scale| u32::wrapping_add(u32::wrapping_mul(degrees, scale), fraction % scale);
        let latitude = side(degrees_north, fractions.0, scale(7));
        let longitude = side(degrees_east, fractions.1, scale(10));
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&layout.to_le_bytes());
        bytes[2..6].copy_from_slice(&latitude.to_le_bytes());
        bytes[6..].copy_from_slice(&longitude.to_le_bytes());
        let Some(packed) = PackedLocation::from_bytes(bytes) else { return Ok(()) };
        prop_assert_eq!(packed.to_bytes(), bytes);
        let text = print(|out| packed.print(out));
        prop_assert_eq!(Location::parse(&text).and_then(|location| location.packed()), Some(packed));
    }

    #[test]
    fn a_question_is_within_its_limits_to_the_last_digit(
        radius in number(&["0", "50", "49", "51", "340282366920938463463374607431768211456"], "[0-9]{1,3}(\\.[0-9]{1,30})?"),
        bound in prop_oneof!["0{0,30}[0-9]{1,3}", "[0-9.+-]{0,4}", "[0-9]{18,30}"],
    ) {
        let wants = bound.bytes().all(|byte| byte.is_ascii_digit()).then(|| bound.parse::<u128>().ok()).flatten();
        let wanted = wants.filter(|&wants| wants <= 20);
        let fraction = radius.split_once('.').map_or("0", |(_, fraction)| fraction);
        // Beyond 25 digits the reference cuts, and a remainder counts as one unit more.
        let cut = &radius[..radius.len() - fraction.len().saturating_sub(25)];
        let remainder = u128::from(fraction.bytes().skip(25).any(|digit| digit != b'0'));
        let is_near = exact(cut).is_some_and(|(value, _)| value + remainder <= 50 * UNIT);
        let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
        let question = PLACES.question(radius.as_bytes(), bound.as_bytes());
        prop_assert_eq!(question.is_some(), is_near && is_number && wanted.is_some(), "{} {}", radius, bound);
        if let Some(question) = question {
            prop_assert_eq!(Some(u128::from(question.bound)), wanted);
            prop_assert_eq!(question.radius_km, radius.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn an_at_line_is_exact_integer_arithmetic(skew in prop_oneof![any::<i64>(), -2_000_000_000..2_000_000_000_i64]) {
        for skew in [skew, i64::MIN, i64::MAX] {
            let wide = i128::from(skew);
            let (sign, nanos) = (if wide < 0 { '-' } else { '+' }, wide.abs());
            let reference = format!("AT Hill {sign}{}.{:09} k l t\n", nanos / 1_000_000_000, nanos % 1_000_000_000);
            prop_assert_eq!(print(|out| line::print_at(out, "Hill", skew, b"k", b"l", b"t")), reference.into_bytes());
        }
    }

    #[test]
    fn a_valid_iamat_comes_back_in_its_own_words(
        client in "[^ \t\r\n\x0b\x0c]{1,30}",
        gaps in vec("[ \t\r\x0b\x0c]{1,3}", 5),
        location in "[+-][0-8]?[0-9](\\.[0-9]{1,12})?[+-]1?[0-7]?[0-9](\\.[0-9]{1,12})?/?",
        time in "[0-9]{1,10}\\.[0-9]{1,12}".prop_filter("in range", |text| !text.starts_with('9')),
    ) {
        let [a, b, c, d, e] = gaps.as_slice() else { unreachable!() };
        let sent = format!("{a}IAMAT{b}{client}{c}{location}{d}{time}{e}");
        let Command::Iamat(iamat) = line::parse(sent.as_bytes(), &PLACES) else { panic!("{sent:?} is valid") };
        prop_assert_eq!(iamat.client.as_bytes(), client.as_bytes());
        let (location, time) = (iamat.location.text(), iamat.time.text());
        let reply = print(|out| line::print_at(out, "Hill", 5, iamat.client.as_bytes(), location, time));
        let words = sent.split([' ', '\t', '\r', '\x0b', '\x0c']).filter(|word| !word.is_empty()).skip(1);
        let expected = format!("AT Hill +0.000000005 {}\n", words.collect::<Vec<_>>().join(" "));
        prop_assert_eq!(reply, expected.into_bytes());
    }

    #[test]
    fn no_bytes_do_harm_and_every_line_can_be_refused(line in prop_oneof![
        vec(any::<u8>(), 0..100),
        vec(prop::sample::select(b"IAMAT WHATSAT +-./0123456789\r\0\xff".as_slice()), 0..60),
    ]) {
        let _ = line::parse(&line, &PLACES);
        let _ = ClientTime::parse(&line);
        let _ = Location::parse(&line);
        let _ = PLACES.question(&line, &line);
        let is_field = !line.iter().any(|byte| b" \t\r\n\x0b\x0c".contains(byte));
        let is_id = is_field && !line.is_empty() && str::from_utf8(&line).is_ok();
        prop_assert_eq!(ClientId::new(&line).is_some(), is_id);
        let refusal = print(|out| line::print_refusal(out, &line));
        prop_assert!(refusal.starts_with(b"? ") && refusal.ends_with(b"\n"));
        prop_assert!(line.starts_with(&refusal[2..refusal.len() - 1]) && refusal.len() <= line.len() + 3);
    }
}

#[test]
fn a_radius_without_limit_is_a_finite_number_however_long() {
    let messages = QuestionLimits { radius_km_max: None, bound_max: 100 };
    let question = messages.question("9".repeat(400).as_bytes(), b"100").unwrap();
    assert_eq!(question.radius_km, f64::MAX);
}

#[test]
fn distances_are_those_of_the_mean_sphere() {
    let position = |text: &str| Location::parse(text.as_bytes()).unwrap().position();
    let check = |from: &str, to: &str, metres: f64| {
        let there = position(from).distance_m(position(to));
        let back = position(to).distance_m(position(from));
        assert!((there - metres).abs() < 0.01, "{from} {to}: {there}");
        assert_eq!(there.to_bits(), back.to_bits());
    };
    let radius_m = herd_core::position::EARTH_RADIUS_M;
    check("+34.068930-118.445127", "+34.068930-118.445127", 0.0);
    check("+90+0", "-90+0", radius_m * std::f64::consts::PI);
    check("+2.5+10.5", "-2.5-169.5", radius_m * std::f64::consts::PI);
    check("+0+179.5", "+0-179.5", radius_m.to_radians());
    check("+90-118", "+0+77", radius_m * std::f64::consts::FRAC_PI_2);
}

#[test]
fn antipodes_are_half_way_around_however_their_angles_are_rounded() {
    let half_way_m = herd_core::position::EARTH_RADIUS_M * std::f64::consts::PI;
    for step in 0..90_000 {
        let (latitude, longitude) = (f64::from(step) / 1000.0, f64::from(step % 1800) / 10.0);
        let here = Position::new(latitude, longitude).unwrap();
        let there = Position::new(-latitude, longitude - 180.0).unwrap();
        let distance_m = here.distance_m(there);
        assert!((distance_m - half_way_m).abs() < 1.0, "{here:?}: {distance_m}");
    }
}

//! The message provider: which messages, in which order, in which shape.

use super::*;

fn ask(lat: f64, lon: f64, radius_km: f64, bound: u8) -> serde_json::Value {
    let messages = Messages::open(None).unwrap();
    let bytes = messages.answer(Position::new(lat, lon).unwrap(), Question { radius_km, bound });
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_answer_has_the_keys_of_the_search_of_2009_in_their_order() {
    let answer = ask(27.5916, 86.5640, 100.0, 2);
    assert_eq!(
        keys(&answer),
        [
            "results",
            "max_id",
            "since_id",
            "refresh_url",
            "next_page",
            "results_per_page",
            "page",
            "completed_in",
            "query"
        ]
    );
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!(
            keys(result),
            [
                "profile_image_url",
                "created_at",
                "from_user",
                "to_user_id",
                "text",
                "id",
                "from_user_id",
                "geo",
                "iso_language_code",
                "source"
            ]
        );
    }
    assert_eq!(answer["max_id"], results[0]["id"]);
    assert!(answer["next_page"].as_str().unwrap().contains("geocode=27.5916%2C86.564%2C100.0km&q="));
}

#[test]
fn only_messages_within_the_radius_come_newest_first() {
    let answer = ask(34.068_930, -118.445_127, 10.0, 100);
    let results = answer["results"].as_array().unwrap();
    assert!(results.len() >= 12, "{}", results.len());
    assert!(answer.get("next_page").is_none());
    let ids: Vec<u64> = results.iter().map(|result| result["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    for result in results {
        let at: Vec<f64> = serde_json::from_value(result["geo"]["coordinates"].clone()).unwrap();
        assert!(distance_m((34.068_930, -118.445_127), (at[0], at[1])) <= 10_000.0);
    }
}

#[test]
fn bounds_and_radii_at_their_ends_are_answered() {
    assert_eq!(ask(34.06, -118.44, 10.0, 0)["results"].as_array().unwrap().len(), 0);
    assert_eq!(ask(-80.0, 0.0, 1.0, 100)["max_id"], 0);
    let all = ask(0.0, 0.0, 20_100.0, 100);
    assert!(all["results"].as_array().unwrap().len() >= 55);
    assert!(ask(0.0, 0.0, 1e300, 100)["results"].as_array().unwrap().len() >= 55);
}

#[test]
fn a_line_that_is_no_message_is_named() {
    let good = r#"{"id":1,"time":2,"lat":3,"lon":4,"user":"u","lang":"en","text":"t"}"#;
    let bad = format!("{good}\n\n{}", good.replace(":3,", ":93,"));
    let error = Messages::parse(&bad, Path::new("x.jsonl")).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && error.contains("off the globe") && error.contains("x.jsonl"),
        "{error}"
    );
    assert!(Messages::parse("{", Path::new("x.jsonl")).is_err());
}

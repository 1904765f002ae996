//! Twitter's format and X behind WHATSAT.

use crate::{
    remote::{KEY, asking, failures, json, whatsat},
    upstream::{Say, Upstream},
};

#[test]
fn twitters_format_arrives_on_one_line_cut_to_the_bound() {
    let tweet = |id: u32| format!(r#"{{"text":"],\"results\":[] \/ \u00e9","id":{id},"geo":null}}"#);
    let page = |count: u32| {
        let tweets: Vec<String> = (0..count).map(tweet).collect();
        format!(r#"{{"results":[{}],"max_id":9,"query":""}}"#, tweets.join(","))
    };
    // A service may print line ends; the format has none.
    let upstream = Upstream::saying(Say::ok(page(100).replace("],\"max_id\"", "],\r\n\"max_id\"") + "\n"));
    let server = asking("twitter", &upstream, "15s");
    for bound in [0, 1, 2, 99, 100] {
        assert_eq!(whatsat(&server, 100.0, bound), page(u32::try_from(bound).unwrap()) + "\n");
    }
    assert_eq!(
        upstream.heard()[0].line,
        "GET /search.json?q=&geocode=34.06893%2C-118.445127%2C100.0km&rpp=100 HTTP/1.1\r\n"
    );
    let upstream =
        Upstream::saying(Say::code(420, r#"{"error":"You have been rate limited. Enhance\nyour calm."}"#));
    let body = whatsat(&asking("twitter", &upstream, "15s"), 1e9, 1);
    assert_eq!(body, "{\"error\":\"You have been rate limited. Enhance\\nyour calm.\"}\n");
    for (say, _, words) in failures() {
        let upstream = Upstream::saying(say);
        let body = whatsat(&asking("twitter", &upstream, "15s"), 10.0, 20);
        let message = json(&body)["error"].as_str().unwrap().to_owned();
        assert!(body.lines().count() == 1 && message.contains(words), "{body}");
    }
}

#[test]
fn xs_posts_are_told_as_the_search_of_2009_told_them() {
    let upstream = Upstream::saying(Say::ok(include_str!("bodies/x_response.json")));
    let server = asking("x", &upstream, "15s");
    let body = whatsat(&server, 100.0, 100);
    let (before, rest) = body.split_once("\"completed_in\":").unwrap();
    let after = rest.split_once(',').unwrap().1;
    let told = format!("{before}\"completed_in\":0,{after}");
    assert_eq!(told, include_str!("bodies/x_translated.json").replace("\n  ", "").replace("\n]", "]"));
    assert_eq!(json(&whatsat(&server, 0.0, 1))["results"].as_array().unwrap().len(), 1);

    let heard = upstream.heard();
    let path = |radius: &str| {
        format!(
            "GET /2/tweets/search/recent?query=point_radius%3A%5B-118.445127%2034.06893%20{radius}km%5D&max_results=100&tweet.fields=created_at%2Cgeo%2Clang%2Csource%2Cauthor_id&expansions=author_id&user.fields=username%2Cprofile_image_url HTTP/1.1\r\n"
        )
    };
    assert_eq!(heard[0].line, path("40"));
    assert_eq!(heard[1].line, path("0.01"));
    assert!(heard[0].headers.contains(&format!("authorization: Bearer {KEY}\n")));

    for (say, expected) in [
        (Say::ok(r#"{"meta":{"result_count":0}}"#), "{\"results\":[],\"max_id\":0,"),
        (
            Say::code(401, r#"{"title":"Unauthorized","status":401,"detail":"Unauthorized token"}"#),
            "{\"error\":\"Unauthorized token\"}\n",
        ),
        (
            Say::code(503, "<html>"),
            "{\"error\":\"the provider's answer is not what its documents say: HTTP 503\"}\n",
        ),
    ] {
        let upstream = Upstream::saying(say);
        let body = whatsat(&asking("x", &upstream, "15s"), 10.0, 20);
        assert!(body.starts_with(expected) && body.lines().count() == 1, "{body}");
    }
}

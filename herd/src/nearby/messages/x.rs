//! X's recent search (API v2), translated into the search of 2009.
//!
//! The one thing to know: X wants the longitude first, and refuses circles of 25 miles and more; a larger question is
//! answered for the 40 km around its centre.

use std::{borrow::Cow, time::Duration};

use hyper::{Request, header::AUTHORIZATION};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    super::{
        access::{Access, BaseUrl},
        google::misread,
        http::{ClientError, Http, Reply, Trouble, push_encoded},
        upstream::{BoxFuture, Inquiry, Page, Status, Upstream},
    },
    twitter::TTL_MAX,
    twitter_style::{Search, Tweet, print},
};
use crate::date;

/// A circle that X accepts: 25 miles are 40.23 km, and a point has no posts.
const RADIUS_KM: [f64; 2] = [0.01, 40.0];

/// The most that X gives at once.
const POSTS_MAX: u8 = 100;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct X {
    http: Http,
    base: BaseUrl,
    deadline: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    data: Vec<Post>,
    includes: Includes,
    meta: Option<Meta>,
    title: Option<String>,
    detail: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Includes {
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Meta {
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Post {
    id: String,
    text: String,
    created_at: String,
    author_id: String,
    #[serde(default)]
    lang: String,
    source: Option<String>,
    #[serde(default)]
    geo: Geo,
}

#[derive(Default, Deserialize)]
struct Geo {
    coordinates: Option<Coordinates>,
}

#[derive(Deserialize)]
struct Coordinates {
    /// East, north.
    coordinates: [f64; 2],
}

#[derive(Deserialize)]
struct User {
    id: String,
    username: String,
    #[serde(default)]
    profile_image_url: String,
}

impl X {
    pub(crate) fn new(access: &Access) -> Result<Self, ClientError> {
        let base = access.base_url.clone().unwrap_or_else(|| BaseUrl::known("https://api.x.com"));
        let http = Http::new(access.key.clone(), base.is_plain())?;
        Ok(Self { http, base, deadline: access.deadline })
    }

    async fn ask(&self, inquiry: Inquiry) -> Result<Page, Page> {
        let began = Instant::now();
        let reply = self.call(inquiry, began + self.deadline).await;
        let reply = reply.map_err(|trouble| Page::no_messages(Status::UnknownError, &trouble.to_string()))?;
        judge(&reply, inquiry, began.elapsed())
    }

    async fn call(&self, inquiry: Inquiry, until: Instant) -> Result<Reply, Trouble> {
        let [least, most] = RADIUS_KM;
        let radius = inquiry.radius_km.clamp(least, most);
        let query = format!("point_radius:[{} {} {radius}km]", inquiry.at.longitude(), inquiry.at.latitude());
        let mut path = "/2/tweets/search/recent?query=".to_owned();
        push_encoded(&mut path, query.as_bytes());
        path += &format!(
            "&max_results={POSTS_MAX}&tweet.fields=created_at%2Cgeo%2Clang%2Csource%2Cauthor_id\
             &expansions=author_id&user.fields=username%2Cprofile_image_url"
        );
        let url = self.base.join(&path).map_err(|_| Trouble::Unsendable)?;
        let request = Request::get(url).header(AUTHORIZATION, self.http.key_header("Bearer ")?);
        self.http.call(request, Vec::new(), until).await
    }
}

fn judge(reply: &Reply, inquiry: Inquiry, took: Duration) -> Result<Page, Page> {
    let (status, misread) = misread(reply);
    let answer: Answer = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Some(meta) = answer.meta.filter(|_| reply.code == 200) else {
        let message = answer.detail.or(answer.title).unwrap_or(misread);
        return Err(Page::no_messages(status, &message));
    };
    let tweets: Vec<Tweet<'_>> =
        answer.data.iter().filter_map(|post| post.tweet(&answer.includes.users)).collect();
    let search = Search {
        at: inquiry.at,
        radius_km: inquiry.radius_km,
        per_page: POSTS_MAX,
        max_id: tweets.iter().map(|tweet| tweet.id).max().unwrap_or(0),
        has_more: meta.next_token.is_some(),
        took,
    };
    let line = print(&search, tweets.into_iter());
    Page::messages(line.as_bytes()).ok_or_else(|| Page::no_messages(Status::UnknownError, &misread))
}

impl Post {
    /// `None` for what the search of 2009 cannot tell of: no number for an ID, or no time.
    fn tweet<'a>(&'a self, users: &'a [User]) -> Option<Tweet<'a>> {
        let author = users.iter().find(|user| user.id == self.author_id);
        Some(Tweet {
            id: self.id.parse().ok()?,
            time: seconds(&self.created_at)?,
            user: author.map_or("", |user| &user.username),
            user_id: self.author_id.parse().ok()?,
            image_url: Cow::Borrowed(author.map_or("", |user| &user.profile_image_url)),
            lang: &self.lang,
            text: &self.text,
            geo: self.geo.coordinates.as_ref().map(|point| {
                let [longitude, latitude] = point.coordinates;
                [latitude, longitude]
            }),
            source: [self.source.as_deref().unwrap_or("X"), "https://x.com/"],
        })
    }
}

/// Seconds since 1970 of `2023-05-01T12:34:56.000Z`, with or without a fraction.
pub(super) fn seconds(text: &str) -> Option<u64> {
    Some(date::point(text)?.as_nanos() / 1_000_000_000)
}

impl Upstream for X {
    fn name(&self) -> &'static str {
        "x"
    }

    fn fetch(&self, inquiry: Inquiry) -> BoxFuture<'static, Result<Page, Page>> {
        let x = self.clone();
        Box::pin(async move { x.ask(inquiry).await })
    }

    fn refusal(&self, status: Status, message: &str) -> Page {
        Page::no_messages(status, message)
    }

    fn ttl_max(&self) -> Duration {
        TTL_MAX
    }
}

//! A service that speaks Twitter's search of 2009 ("v1"): its pages are passed through on one line.
//!
//! Twitter's own has ended, so the configuration has to say where such a service is (checked there).

use std::time::Duration;

use hyper::{Request, header::AUTHORIZATION};
use serde::Deserialize;
use tokio::time::Instant;

use super::super::{
    access::{Access, BaseUrl},
    google::misread,
    http::{ClientError, Http, Reply, Trouble},
    upstream::{BoxFuture, Inquiry, Page, Status, Upstream},
};

/// Longest that an answer is kept: messages are worth asking for while they are fresh.
pub(super) const TTL_MAX: Duration = Duration::from_secs(300);

/// Half the way around the Earth: all there is lies within.
const RADIUS_KM_MAX: f64 = 20_037.6;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Twitter {
    http: Http,
    base: BaseUrl,
    deadline: Duration,
}

/// What a service says instead of an answer; the key varied over time.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    error: Option<String>,
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

impl Twitter {
    /// The key, if there is one, is sent as a bearer token.
    pub(crate) fn new(access: &Access) -> Result<Self, ClientError> {
        let base = access.base_url.clone();
        let base = base.unwrap_or_else(|| BaseUrl::known("https://search.twitter.com"));
        let http = Http::new(access.key.clone(), base.is_plain())?;
        Ok(Self { http, base, deadline: access.deadline })
    }

    async fn ask(&self, inquiry: Inquiry) -> Result<Page, Page> {
        let reply = self.call(inquiry, Instant::now() + self.deadline).await;
        let reply = reply.map_err(|trouble| Page::no_messages(Status::UnknownError, &trouble.to_string()))?;
        judge(&reply)
    }

    async fn call(&self, inquiry: Inquiry, until: Instant) -> Result<Reply, Trouble> {
        let (latitude, longitude) = (inquiry.at.latitude(), inquiry.at.longitude());
        let radius = inquiry.radius_km.min(RADIUS_KM_MAX);
        let path = format!("/search.json?q=&geocode={latitude}%2C{longitude}%2C{radius:?}km&rpp=100");
        let mut request = Request::get(self.base.join(&path).map_err(|_| Trouble::Unsendable)?);
        if !self.http.key().is_empty() {
            request = request.header(AUTHORIZATION, self.http.key_header("Bearer ")?);
        }
        self.http.call(request, Vec::new(), until).await
    }
}

fn judge(reply: &Reply) -> Result<Page, Page> {
    if reply.code == 200
        && let Some(page) = Page::messages(&reply.body)
    {
        return Ok(page);
    }
    let complaint: Complaint = serde_json::from_slice(&reply.body).unwrap_or_default();
    let own = complaint.error.or_else(|| complaint.errors.into_iter().next().map(|reason| reason.message));
    let (status, message) = misread(reply);
    Err(Page::no_messages(status, &own.unwrap_or(message)))
}

impl Upstream for Twitter {
    fn name(&self) -> &'static str {
        "twitter"
    }

    fn fetch(&self, inquiry: Inquiry) -> BoxFuture<'static, Result<Page, Page>> {
        let twitter = self.clone();
        Box::pin(async move { twitter.ask(inquiry).await })
    }

    fn refusal(&self, status: Status, message: &str) -> Page {
        Page::no_messages(status, message)
    }

    fn ttl_max(&self) -> Duration {
        TTL_MAX
    }
}

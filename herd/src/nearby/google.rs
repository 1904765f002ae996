//! Google's Nearby Search as it has been since 2010 ("legacy"): its pages are passed through byte for byte.
//!
//! Its HTTP status says little and differs by year, the `status` within the JSON decides. [`Auto`] asks it until Google
//! says that it is not enabled for the key's project, and `google_new` from then on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use herd_core::limits::PLACES_RADIUS_KM_MAX;
use hyper::Request;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    access::{Access, BaseUrl},
    google_new::GoogleNew,
    http::{ClientError, Http, Reply, Trouble, push_encoded},
    upstream::{BoxFuture, Inquiry, Page, Status, Upstream},
};

/// Longest that an answer is kept: what Google's `Cache-Control` allows.
pub(super) const TTL_MAX: Duration = Duration::from_secs(300);

/// The legacy service.
#[derive(Clone, Debug)]
pub(super) struct Google {
    http: Http,
    base: BaseUrl,
    deadline: Duration,
}

/// An answer that is none.
struct Refused {
    page: Page,
    /// Whether the service as a whole is switched off for the key's project.
    is_switched_off: bool,
}

/// What of an answer says whether it is one.
#[derive(Deserialize)]
struct Verdict {
    status: String,
    #[serde(default)]
    error_message: String,
}

impl Google {
    pub(super) fn new(access: &Access) -> Result<Self, ClientError> {
        let base = access.base_url.clone();
        let base = base.unwrap_or_else(|| BaseUrl::known("https://maps.googleapis.com"));
        let http = Http::new(access.key.clone(), base.is_plain())?;
        Ok(Self { http, base, deadline: access.deadline })
    }

    async fn ask(&self, inquiry: Inquiry, until: Instant) -> Result<Page, Refused> {
        let reply = self.call(inquiry, until).await;
        let reply = reply.map_err(|trouble| Refused::because(Status::UnknownError, &trouble.to_string()))?;
        judge(&reply)
    }

    async fn call(&self, inquiry: Inquiry, until: Instant) -> Result<Reply, Trouble> {
        let (latitude, longitude) = (inquiry.at.latitude(), inquiry.at.longitude());
        let radius = radius_m(inquiry.radius_km);
        let mut path = format!(
            "/maps/api/place/nearbysearch/json?location={latitude}%2C{longitude}&radius={radius}&key="
        );
        push_encoded(&mut path, self.http.key());
        let url = self.base.join(&path).map_err(|_| Trouble::Unsendable)?;
        self.http.call(Request::get(url), Vec::new(), until).await
    }
}

impl Refused {
    fn because(status: Status, message: &str) -> Self {
        Self { page: Page::no_places(status, message), is_switched_off: false }
    }
}

/// Metres of a radius as Google takes it: a circle of nothing is refused, one beyond its limit as well.
pub(super) fn radius_m(radius_km: f64) -> f64 {
    // Millimetres, so that 0.07 km are 70 m and not 70.00000000000001.
    let metres = (radius_km * 1e6).round() / 1e3;
    let max = u32::try_from(PLACES_RADIUS_KM_MAX * 1000).map_or(f64::MAX, f64::from);
    metres.clamp(1.0, max)
}

/// Says so if an answer does not even look like one.
pub(super) fn misread(reply: &Reply) -> (Status, String) {
    let status = Status::of_http(reply.code);
    (status, format!("the provider's answer is not what its documents say: HTTP {}", reply.code))
}

fn judge(reply: &Reply) -> Result<Page, Refused> {
    let nonsense = || {
        let (status, message) = misread(reply);
        Refused::because(status, &message)
    };
    let verdict: Verdict = serde_json::from_slice(&reply.body).map_err(|_| nonsense())?;
    let failure = match verdict.status.as_str() {
        "OK" | "ZERO_RESULTS" => return Page::places(&reply.body, None).ok_or_else(nonsense),
        "OVER_DAILY_LIMIT" => Status::OverQueryLimit,
        other => Status::named(other).unwrap_or(Status::UnknownError),
    };
    // Its own words, if they are a whole answer of a status that clients know.
    let own = (failure.as_str() == verdict.status).then(|| Page::places(&reply.body, Some(failure)));
    let page = own.flatten().unwrap_or_else(|| Page::no_places(failure, &verdict.error_message));
    let message = verdict.error_message;
    let is_switched_off = failure == Status::RequestDenied
        && (message.contains("LegacyApiNotActivated")
            || message.contains("legacy API") && message.contains("not enabled"));
    Err(Refused { page, is_switched_off })
}

impl Upstream for Google {
    fn name(&self) -> &'static str {
        "google"
    }

    fn fetch(&self, inquiry: Inquiry) -> BoxFuture<'static, Result<Page, Page>> {
        let google = self.clone();
        Box::pin(async move {
            let until = Instant::now() + google.deadline;
            google.ask(inquiry, until).await.map_err(|refused| refused.page)
        })
    }

    fn refusal(&self, status: Status, message: &str) -> Page {
        Page::no_places(status, message)
    }

    fn ttl_max(&self) -> Duration {
        TTL_MAX
    }
}

/// The legacy service as long as it is there for us, then the new one for the life of the process.
#[derive(Clone, Debug)]
pub(super) struct Auto {
    legacy: Google,
    new: GoogleNew,
    is_new: Arc<AtomicBool>,
}

impl Auto {
    pub(super) fn new(access: &Access) -> Result<Self, ClientError> {
        let (legacy, new) = (Google::new(access)?, GoogleNew::new(access)?);
        Ok(Self { legacy, new, is_new: Arc::default() })
    }

    /// A question that finds the legacy service switched off fails and begins a new generation; the gate, which pays
    /// for every request, asks it again.
    async fn ask(&self, inquiry: Inquiry) -> Result<Page, Page> {
        let until = Instant::now() + self.legacy.deadline;
        // Nothing else depends on when the others see it: each finds out by itself.
        if self.is_new.load(Ordering::Relaxed) {
            return self.new.ask(inquiry, until).await;
        }
        self.legacy.ask(inquiry, until).await.map_err(|refused| {
            if refused.is_switched_off && !self.is_new.swap(true, Ordering::Relaxed) {
                tracing::warn!("the legacy places API is not enabled for this key; asking the new one");
            }
            refused.page
        })
    }
}

impl Upstream for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn fetch(&self, inquiry: Inquiry) -> BoxFuture<'static, Result<Page, Page>> {
        let auto = self.clone();
        Box::pin(async move { auto.ask(inquiry).await })
    }

    fn generation(&self) -> u32 {
        self.is_new.load(Ordering::Relaxed).into()
    }

    fn refusal(&self, status: Status, message: &str) -> Page {
        Page::no_places(status, message)
    }

    fn ttl_max(&self) -> Duration {
        TTL_MAX
    }
}

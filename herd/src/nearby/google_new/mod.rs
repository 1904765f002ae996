//! Google's Places API (New): asked for all that a legacy answer tells, and translated into one.

mod translation;

use std::time::Duration;

use hyper::{Request, header::CONTENT_TYPE};
use serde::Deserialize;
use tokio::time::Instant;

use self::translation::{Place, translate};
use super::{
    access::{Access, BaseUrl},
    google::{TTL_MAX, misread, radius_m},
    http::{ClientError, Http, Reply, Trouble},
    upstream::{BoxFuture, Inquiry, Page, Status, Upstream},
};

/// What is asked of each place. The last line makes Google bill the call at its Enterprise price, which still is
/// below that of the legacy call that tells the same.
const FIELDS: &str = "places.id,places.displayName,places.types,places.location,places.viewport,places.plusCode,\
    places.iconMaskBaseUri,places.iconBackgroundColor,places.businessStatus,places.photos,places.attributions,\
    places.shortFormattedAddress,places.addressComponents,\
    places.rating,places.userRatingCount,places.priceLevel,places.currentOpeningHours.openNow";

/// The new service.
#[derive(Clone, Debug)]
pub(super) struct GoogleNew {
    http: Http,
    base: BaseUrl,
    deadline: Duration,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    places: Vec<Place>,
    error: Option<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: u16,
    message: String,
    details: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    reason: String,
}

impl GoogleNew {
    pub(super) fn new(access: &Access) -> Result<Self, ClientError> {
        let base = access.base_url.clone();
        let base = base.unwrap_or_else(|| BaseUrl::known("https://places.googleapis.com"));
        let http = Http::new(access.key.clone(), base.is_plain())?;
        Ok(Self { http, base, deadline: access.deadline })
    }

    /// Asks, until then at the latest.
    pub(super) async fn ask(&self, inquiry: Inquiry, until: Instant) -> Result<Page, Page> {
        let reply = self.call(inquiry, until).await;
        let reply = reply.map_err(|trouble| Page::no_places(Status::UnknownError, &trouble.to_string()))?;
        judge(&reply)
    }

    async fn call(&self, inquiry: Inquiry, until: Instant) -> Result<Reply, Trouble> {
        let question = serde_json::json!({
            "locationRestriction": { "circle": {
                "center": { "latitude": inquiry.at.latitude(), "longitude": inquiry.at.longitude() },
                "radius": radius_m(inquiry.radius_km),
            } },
            "maxResultCount": 20,
            "rankPreference": "POPULARITY",
        });
        let url = self.base.join("/v1/places:searchNearby").map_err(|_| Trouble::Unsendable)?;
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Goog-Api-Key", self.http.key_header("")?)
            .header("X-Goog-FieldMask", FIELDS);
        self.http.call(request, question.to_string().into_bytes(), until).await
    }
}

fn judge(reply: &Reply) -> Result<Page, Page> {
    let nonsense = || {
        let (status, message) = misread(reply);
        Page::no_places(status, &message)
    };
    let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| nonsense())?;
    match answer.error {
        Some(fault) => {
            let code = if fault.code == 0 { reply.code } else { fault.code };
            // A wrong key is told as a wrong argument.
            let is_key = fault.details.iter().any(|detail| detail.reason == "API_KEY_INVALID");
            let status = if is_key { Status::RequestDenied } else { Status::of_http(code) };
            Err(Page::no_places(status, &fault.message))
        }
        None if reply.code == 200 => {
            Page::places(translate(&answer.places).as_bytes(), None).ok_or_else(nonsense)
        }
        None => Err(nonsense()),
    }
}

impl Upstream for GoogleNew {
    fn name(&self) -> &'static str {
        "google-new"
    }

    fn fetch(&self, inquiry: Inquiry) -> BoxFuture<'static, Result<Page, Page>> {
        let google = self.clone();
        Box::pin(async move {
            let until = Instant::now() + google.deadline;
            google.ask(inquiry, until).await
        })
    }

    fn refusal(&self, status: Status, message: &str) -> Page {
        Page::no_places(status, message)
    }

    fn ttl_max(&self) -> Duration {
        TTL_MAX
    }
}

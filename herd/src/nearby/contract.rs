//! What every [`Upstream`] promises, as one check that its implementations and the tests' fakes have to pass.

use herd_core::position::Position;

use super::upstream::{Inquiry, Status, Upstream};

/// Asks `upstream` once, with success, and looks at all that it says.
pub(super) async fn check(upstream: &dyn Upstream) {
    assert!(!upstream.name().is_empty());
    assert!(!upstream.ttl_max().is_zero());
    let at = Position::new(34.06893, -118.445127).unwrap();
    let page = upstream.fetch(Inquiry { at, radius_km: 10.0 }).await.unwrap();
    let mut before = 0;
    for bound in 0..=100 {
        let answer = page.answer(bound);
        let results = serde_json::from_slice::<serde_json::Value>(&answer).unwrap();
        let count = results["results"].as_array().unwrap().len();
        assert!(count <= usize::from(bound) && count >= before, "{count} of {bound}");
        assert!(page.weight() >= answer.len());
        before = count;
    }
    for status in
        [Status::UnknownError, Status::OverQueryLimit, Status::RequestDenied, Status::InvalidRequest]
    {
        let refusal = upstream.refusal(status, "the \"reason\"");
        assert!(!refusal.is_cacheable());
        let answer = refusal.answer(20);
        assert_eq!(answer, refusal.answer(0));
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert!(
            answer["error_message"] == "the \"reason\"" || answer["error"] == "the \"reason\"",
            "{answer}"
        );
    }
}

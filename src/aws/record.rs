//! The record of the calls that are made for one request. With it, a log line can be joined with CloudTrail.

use std::sync::{Arc, Mutex, PoisonError};

/// Longest request ID, in characters. Those of AWS are UUIDs, of 36 characters.
const LONGEST_ID: usize = 64;

/// One call to STS. It contains no secret value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// ARN of the role, if the call is for one.
    pub role: Option<String>,
    /// Name of the session, if the request sets one.
    pub session_name: Option<String>,
    /// The request ID in the reply. `None` without a reply, or before it.
    pub request_id: Option<String>,
}

/// The calls of one request, in their order. Clones share them.
#[derive(Clone, Default)]
pub struct CallRecords(Arc<Mutex<Vec<CallRecord>>>);

impl CallRecords {
    /// Adds a call that begins, and returns its index.
    pub(super) fn begin(&self, call: CallRecord) -> usize {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        calls.len() - 1
    }

    /// Records the request ID in the reply to a call.
    pub(super) fn replied(&self, index: usize, request_id: Option<String>) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get_mut(index) {
            call.request_id = request_id;
        }
    }

    /// The calls so far.
    pub fn all(&self) -> Vec<CallRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The request ID of each call so far, or `-` if a call had no reply.
    pub fn request_ids(&self) -> Vec<String> {
        let id = |call: CallRecord| call.request_id.unwrap_or_else(|| "-".to_owned());
        self.all().into_iter().map(id).collect()
    }
}

/// A request ID from a reply. `None` if it contains other characters than hexadecimal digits and hyphens: then it does
/// not come from AWS, and the endpoint could put anything there, such as a value of the request.
pub(super) fn request_id(text: Option<&str>) -> Option<String> {
    let is_id = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    };
    text.filter(is_id).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_that_can_be_a_request_id_is_kept() {
        let long = "a".repeat(65);
        for (row, id, kept) in [
            ("of AWS", "c6104cbe-af31-11e0-8154-cbc7ccf896c7", true),
            ("of MinIO", "17A2B3C4D5E6F708", true),
            ("empty", "", false),
            ("a line break", "c6104cbe\naf31", false),
            ("a token", "eyJhbGciOiJub25lIn0.e30.c2ln", false),
            ("too long", &long, false),
        ] {
            assert_eq!(request_id(Some(id)).as_deref(), Some(id).filter(|_| kept), "{row}");
        }
        assert_eq!(request_id(None), None);
    }
}

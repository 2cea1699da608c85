//! Which requests an API server has served, from its own metrics.

use std::ops::Sub;

use anyhow::Result;
use axum::http::Request;

use crate::scene::Scene;

/// The resources that count. The benchmark itself makes no requests for them while it counts.
const RESOURCES: [&str; 5] =
    ["temporarycredentials", "rolegrants", "secrets", "events", "namespaces"];

/// Requests and bytes, of all clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiCounts {
    /// Requests that read.
    pub reads: f64,
    /// Writes of Secrets.
    pub secret_writes: f64,
    /// Writes of a status.
    pub status_writes: f64,
    /// Writes of events.
    pub events: f64,
    /// All other writes.
    pub other_writes: f64,
    /// Bytes in the bodies of requests.
    pub request_bytes: f64,
    /// Bytes in the bodies of replies to reads, without watches.
    pub reply_bytes: f64,
}

impl ApiCounts {
    /// The counts so far.
    pub async fn read(scene: &Scene) -> Result<Self> {
        let request = Request::get("/metrics").body(Vec::new())?;
        Ok(Self::parse(&scene.admin.request_text(request).await?))
    }

    fn parse(metrics: &str) -> Self {
        let mut counts = Self::default();
        for line in metrics.lines() {
            let Some((name, rest)) = line.split_once('{') else { continue };
            let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
            let value: f64 = value.parse().unwrap_or_default();
            let resource = label(labels, "resource");
            if !RESOURCES.contains(&resource) {
                continue;
            }
            match name {
                "apiserver_request_total" => {
                    *counts.requests(
                        label(labels, "verb"),
                        resource,
                        label(labels, "subresource"),
                    ) += value;
                }
                "apiserver_request_body_size_bytes_sum" => counts.request_bytes += value,
                "apiserver_response_sizes_sum" => counts.reply_bytes += value,
                _ => {}
            }
        }
        counts
    }

    fn requests(&mut self, verb: &str, resource: &str, subresource: &str) -> &mut f64 {
        match (verb, resource, subresource) {
            ("GET" | "LIST" | "WATCH" | "WATCHLIST" | "CONNECT", _, _) => &mut self.reads,
            (_, "secrets", _) => &mut self.secret_writes,
            (_, "events", _) => &mut self.events,
            (_, _, "status") => &mut self.status_writes,
            _ => &mut self.other_writes,
        }
    }

    /// All writes.
    pub fn writes(&self) -> f64 {
        self.secret_writes + self.status_writes + self.events + self.other_writes
    }
}

impl Sub for ApiCounts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            secret_writes: self.secret_writes - before.secret_writes,
            status_writes: self.status_writes - before.status_writes,
            events: self.events - before.events,
            other_writes: self.other_writes - before.other_writes,
            request_bytes: self.request_bytes - before.request_bytes,
            reply_bytes: self.reply_bytes - before.reply_bytes,
        }
    }
}

/// The value of a label; empty if there is none.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let value = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""));
    value.map_or("", |value| value.trim_end_matches('"'))
}

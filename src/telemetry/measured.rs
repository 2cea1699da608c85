//! A gauge that is measured at each scrape.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// A function that returns the current value.
type Measurement = Arc<dyn Fn() -> f64 + Send + Sync>;

/// A gauge that is measured at each scrape. Zero until the first measurement is possible.
#[derive(Clone, Default)]
pub(super) struct Measured(Arc<Mutex<Option<Measurement>>>);

impl Measured {
    pub(super) fn set(&self, measure: impl Fn() -> f64 + Send + Sync + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(measure));
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Measured")
    }
}

impl EncodeMetric for Measured {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let measure = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        encoder.encode_gauge(&measure.map_or(0.0, |measure| measure()))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

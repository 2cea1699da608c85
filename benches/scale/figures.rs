//! The figures of a run, and their medians.

use std::collections::BTreeMap;

use serde::Serialize;

/// Declares the figures in the order of the table, each with its unit, its number of decimals and its label.
macro_rules! figures {
    ($($name:ident $unit:literal $decimals:literal $label:literal;)*) => {
        /// One kind of figure.
        #[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(rename_all = "snake_case")]
        pub enum Figure {
            $(#[doc = $label] $name,)*
        }

        impl Figure {
            /// What it is.
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// Its unit; empty for a count.
            pub fn unit(self) -> &'static str {
                match self { $(Self::$name => $unit,)* }
            }

            /// The number of decimals in the table.
            pub fn decimals(self) -> usize {
                match self { $(Self::$name => $decimals,)* }
            }
        }
    };
}

figures! {
    BareFloorRate "/s" 0 "Bare floor";
    ApiFloorRate "/s" 0 "API floor";
    StartRate "/s" 0 "Operator, from its first start to the last resource that becomes Ready";
    OfBareFloor "" 2 "Operator to bare floor, ratio";
    OfApiFloor "" 2 "Operator to API floor, ratio";
    RotationRate "/s" 0 "Operator, sustained rotations";
    StartSeconds "s" 1 "First start to all Ready";
    RestartSeconds "s" 1 "Restart until nothing is left to do";
    RestartCalls "" 0 "STS calls of the restart";
    RestartWrites "" 0 "Writes of the restart";
    RestartReads "" 0 "Reads of the restart";
    RestartCpu "s" 2 "CPU of the operator for the restart";
    EmptyMemory "MiB" 0 "Peak memory without resources";
    PeakMemory "MiB" 0 "Peak memory of the first start";
    PeakMemoryEach "KiB" 1 "Peak memory for each resource";
    SteadyMemory "MiB" 0 "Memory when all are Ready";
    ScrapedMemory "MiB" 0 "Peak memory after a scrape of the metrics";
    RotatedMemory "MiB" 0 "Peak memory after the rotations";
    RestartMemory "MiB" 0 "Peak memory of the restart";
    StsCalls "" 2 "STS calls for each credential";
    Reads "" 2 "API reads for each credential";
    SecretWrites "" 2 "Secret writes for each credential";
    StatusWrites "" 2 "Status writes for each credential";
    Events "" 2 "Events for each credential";
    OtherWrites "" 2 "Other writes for each credential";
    RotationCalls "" 2 "STS calls for each rotation";
    RotationReads "" 2 "API reads for each rotation";
    RotationWrites "" 2 "Writes of Secret, status and events for each rotation";
    RequestBytes "B" 0 "Bytes in requests to the API server for each credential";
    ReplyBytes "B" 0 "Bytes in replies to reads for each credential";
    ResourceBytes "B" 0 "Stored size of a resource with its status";
    SecretBytes "B" 0 "Stored size of a Secret";
    ApiConnections "" 0 "Connections to the API server, at most";
    StsConnections "" 0 "Connections to STS, at most";
    OperatorCpu "ms" 2 "CPU of the operator for each credential";
    ApiServerCpu "ms" 2 "CPU of the API server for each credential";
    ApiFloorCpu "ms" 2 "CPU of the API server for each credential, API floor";
    BareFloorCpu "ms" 2 "CPU of the API server for each credential, bare floor";
    SilentRecovery "s" 1 "After an outage without replies: until all are renewed";
    SilentCalls "" 2 "After an outage without replies: calls for each renewal";
    ThrottledRecovery "s" 1 "After an outage with throttling: until all are renewed";
    ThrottledCalls "" 2 "After an outage with throttling: calls for each renewal";
}

/// The figures of one run, or the medians of several.
#[derive(Serialize, Clone, Debug, Default)]
#[serde(transparent)]
pub struct Figures(BTreeMap<Figure, f64>);

impl Figures {
    /// Adds a figure.
    pub fn set(&mut self, figure: Figure, value: f64) {
        self.0.insert(figure, value);
    }

    /// The value of a figure, if it was measured.
    pub fn get(&self, figure: Figure) -> Option<f64> {
        self.0.get(&figure).copied()
    }

    /// Adds the figures of another run of the same repetition.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds the ratio of two figures, if both were measured.
    pub fn compare(&mut self, of: Figure, to: Figure, ratio: Figure) {
        if let (Some(of), Some(to)) = (self.get(of), self.get(to)) {
            self.set(ratio, of / to);
        }
    }

    /// The median of each figure.
    pub fn median(rounds: &[Self]) -> Self {
        let mut values: BTreeMap<Figure, Vec<f64>> = BTreeMap::new();
        for (figure, value) in rounds.iter().flat_map(|round| &round.0) {
            values.entry(*figure).or_default().push(*value);
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            if values.len() % 2 == 1 {
                values[middle]
            } else {
                (values[middle - 1] + values[middle]) / 2.0
            }
        };
        Self(values.into_iter().map(|(figure, values)| (figure, median(values))).collect())
    }

    /// The kinds of figures, in their order.
    pub fn kinds(&self) -> impl Iterator<Item = Figure> {
        self.0.keys().copied()
    }

    /// The most important figures, in one line.
    pub fn summary(&self) -> String {
        let rates = [
            Figure::BareFloorRate,
            Figure::ApiFloorRate,
            Figure::StartRate,
            Figure::RotationRate,
            Figure::PeakMemory,
            Figure::RestartSeconds,
            Figure::SilentRecovery,
            Figure::ThrottledRecovery,
        ];
        let text = |figure: Figure| {
            Some(format!("{} {:.1} {}", figure.label(), self.get(figure)?, figure.unit()))
        };
        rates.into_iter().filter_map(text).collect::<Vec<_>>().join("; ")
    }
}

/// The results for one number of resources.
#[derive(Serialize, Debug)]
pub struct Size {
    /// Number of resources.
    pub resources: u32,
    /// The medians over the repetitions.
    pub median: Figures,
    /// Each repetition.
    pub rounds: Vec<Figures>,
}

impl Size {
    /// The results of these repetitions.
    pub fn new(resources: u32, rounds: Vec<Figures>) -> Self {
        Self { resources, median: Figures::median(&rounds), rounds }
    }
}

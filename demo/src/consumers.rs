//! What uses the credentials: a process with an AWS SDK, and a Deployment. Pure.

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use tempcred_core::restart::{Rollout, Workload, annotation};

/// The annotation in which the Deployment controller counts rollouts.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// A process that calls AWS, as STS sees it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The process id.
    pub pid: u32,
    /// How many calls it has made.
    pub calls: usize,
    /// The access key IDs that it signed with, oldest first.
    pub keys: Vec<String>,
}

impl Caller {
    /// A process that has made no call.
    pub fn new(pid: u32) -> Self {
        Self { pid, calls: 0, keys: vec![] }
    }

    /// STS has received a call that this key signed. Returns what is new.
    pub fn called(&mut self, key: &str) -> Option<String> {
        self.calls += 1;
        let last = self.keys.last();
        if last.is_some_and(|last| last == key) {
            return None;
        }
        let (pid, before) = (self.pid, self.calls - 1);
        let news = match last {
            None => format!("boto3 in process {pid}: calls AWS with {key}"),
            Some(old) => {
                format!("boto3 in process {pid}: switched, {old} → {key} (after {before} calls)")
            }
        };
        self.keys.push(key.to_owned());
        Some(news)
    }

    /// A line for the screen.
    pub fn line(&self) -> String {
        let key = self.keys.last().map_or("", String::as_str);
        let (pid, calls, keys) = (self.pid, self.calls, self.keys.len());
        format!("boto3 in process {pid}: {calls} calls, {keys} keys so far, now {key}")
    }
}

/// A Deployment and its rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// Its name.
    pub name: String,
    /// The key of the annotation of its Pod template that restarts it.
    pub annotation: String,
    /// The value of this annotation: the fingerprint of the credentials that it was restarted for.
    pub restarted_for: Option<String>,
    /// How many rollouts it has had, the first included.
    pub rollouts: u32,
    /// How far the last one is.
    pub rollout: Rollout,
}

impl Deployed {
    /// The state of a Deployment that the resource `credential` restarts.
    ///
    /// # Errors
    /// If the Deployment lacks what the API server always sets.
    pub fn of(deployment: &Deployment, credential: &str) -> Result<Self> {
        let workload: Workload = serde_json::from_value(serde_json::to_value(deployment)?)?;
        let annotation = annotation(credential);
        let revision = deployment.annotations().get(REVISION);
        Ok(Self {
            name: deployment.name_any(),
            restarted_for: workload.annotation(&annotation).map(str::to_owned),
            annotation,
            rollouts: revision.and_then(|count| count.parse().ok()).unwrap_or(0),
            rollout: workload.rollout(),
        })
    }

    /// Whether all Pods have the current template and are available.
    pub fn is_complete(&self) -> bool {
        // Without a revision, the controller has not seen the Deployment.
        self.rollouts > 0 && self.rollout == Rollout::Complete
    }

    /// A line for the screen.
    pub fn line(&self) -> String {
        let progress = match &self.rollout {
            Rollout::Complete if self.is_complete() => "complete",
            Rollout::Complete | Rollout::Paused => "not begun",
            Rollout::Progressing(why) | Rollout::Stuck(why) | Rollout::NotReplaced(why) => why,
        };
        format!("Deployment {}: rollout {}: {progress}", self.name, self.rollouts)
    }

    /// What is new since `before`.
    pub fn news(&self, before: Option<&Self>) -> Vec<String> {
        let Self { name, rollouts, annotation, .. } = self;
        let mut news = vec![];
        if let Some(before) = before
            && before.restarted_for != self.restarted_for
        {
            let shown = |value: &Option<String>| value.clone().unwrap_or("none".to_owned());
            let (old, new) = (shown(&before.restarted_for), shown(&self.restarted_for));
            news.push(format!(
                "Deployment {name}: annotation {annotation} of the Pod template, {old} → {new}"
            ));
        }
        let was_complete =
            before.is_some_and(|before| before.is_complete() && before.rollouts == *rollouts);
        if self.is_complete() && !was_complete {
            news.push(format!("Deployment {name}: rollout {rollouts} is complete"));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_caller_has_news_when_its_key_changes() {
        let mut caller = Caller::new(7);
        let news: Vec<_> =
            ["A", "A", "B", "B"].iter().filter_map(|key| caller.called(key)).collect();
        assert_eq!(
            news,
            [
                "boto3 in process 7: calls AWS with A",
                "boto3 in process 7: switched, A → B (after 2 calls)",
            ]
        );
        assert_eq!((caller.calls, caller.keys), (4, vec!["A".to_owned(), "B".to_owned()]));
    }

    /// A Deployment of two Pods, of which so many are replaced and available.
    fn deployed(revision: &str, generation: i64, fingerprint: &str, pods: i32) -> Deployed {
        let annotations = match fingerprint {
            "" => json!({}),
            fingerprint => json!({"restart.tempcred.dev/a": fingerprint}),
        };
        let deployment = serde_json::from_value(json!({
            "metadata": {
                "name": "web", "generation": generation, "resourceVersion": "1",
                "annotations": {REVISION: revision},
            },
            "spec": {
                "replicas": 2, "selector": {},
                "template": {"metadata": {"annotations": annotations}},
            },
            "status": {
                "observedGeneration": 2, "replicas": 2, "updatedReplicas": pods,
                "availableReplicas": 2,
            },
        }));
        Deployed::of(&deployment.expect("a Deployment"), "a").expect("all fields")
    }

    #[test]
    fn a_restart_is_an_annotation_and_then_a_rollout() {
        let first = deployed("1", 2, "", 2);
        assert_eq!(first.news(None), ["Deployment web: rollout 1 is complete"]);
        let annotated = deployed("1", 3, "f", 2);
        assert_eq!(
            annotated.news(Some(&first)),
            ["Deployment web: annotation restart.tempcred.dev/a of the Pod template, none → f"]
        );
        assert!(!annotated.is_complete(), "the controller has not observed it");
        let half = deployed("2", 2, "f", 1);
        assert!(half.news(Some(&annotated)).is_empty());
        let complete = deployed("2", 2, "f", 2);
        assert_eq!(complete.news(Some(&half)), ["Deployment web: rollout 2 is complete"]);
        assert!(complete.news(Some(&complete)).is_empty());
    }
}

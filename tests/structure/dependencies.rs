//! What a package depends on.

/// What the core must do without: a runtime, HTTP, and the clients of AWS and Kubernetes.
const FORBIDDEN: &[&str] =
    &["tokio", "hyper", "aws-sdk-sts", "aws-config", "kube-client", "kube-runtime"];

/// Which of a list of dependencies are forbidden.
pub fn forbidden(list: &str) -> Vec<&'static str> {
    let names: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    FORBIDDEN.iter().copied().filter(|forbidden| names.contains(forbidden)).collect()
}

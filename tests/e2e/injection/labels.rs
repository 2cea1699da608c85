//! Labels that mean nothing are errors.

use super::{Injection, alone, pod};

#[tokio::test]
async fn a_label_that_means_nothing_is_refused_with_what_to_change() {
    let injection = Injection::new().await;
    for (label, value, advice) in [
        ("inject", "Reports", "the label tempcred.dev/inject must be the name of a Secret"),
        ("inject", "reports_aws", "the label tempcred.dev/inject must be the name of a Secret"),
        ("inject", "", "the label tempcred.dev/inject must be the name of a Secret"),
        ("inject-mode", "sidecar", "the label tempcred.dev/inject-mode must be files or agent"),
        ("inject-mode", "", "the label tempcred.dev/inject-mode must be files or agent"),
    ] {
        let mut asked = pod("reports", "files", alone());
        asked["metadata"]["labels"][format!("tempcred.dev/{label}")] = value.into();
        let refusal = injection.create(&asked).await.expect_err(value).to_string();
        assert!(refusal.contains(advice), "{label}={value:?}: {refusal}");
    }
}

//! Tokens for `/metrics`, and what they cost the API server.

use std::time::Instant;

use rig::{Audit, User};
use serde_json::{Value, json};

use super::{Files, Scraper};
use crate::chart::rights::{apply, audit, may};
use crate::chart::{of_kind, template};
use crate::world::{Operator, SOON, World, wait_until};

/// An operator with TLS and tokens, the permissions of the chart, and an audit log that began with it.
pub struct Scene {
    pub world: World,
    pub operator: Operator,
    scraper: Scraper,
    user: User,
    audit: Audit,
}

/// ServiceAccounts of users: the first is a reader.
pub const USERS: [&str; 2] = ["prometheus", "other"];

/// Starts an operator whose role to review tokens is without this resource.
async fn scene(without: &str) -> Scene {
    start(World::new().await, without, &[]).await
}

/// The same in a world, with these flags.
pub async fn start(mut world: World, without: &str, flags: &[&str]) -> Scene {
    let own = world.namespace.clone();
    let mut accounts = vec![];
    for name in USERS {
        accounts.push(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": own},
        }));
    }
    let values = format!(
        "--set=crds.install=false,settings.namespaces={{{own}}},metrics.tls.secretName=cert,metrics.auth.enabled=true"
    );
    let reader = format!(
        "--set=metrics.auth.readers[0].kind=ServiceAccount,metrics.auth.readers[0].name={},metrics.auth.readers[0].namespace={own}",
        USERS[0]
    );
    let objects = template(&["--namespace", &own, &values, &reader]);
    let kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
    let mut rights: Vec<Value> =
        kinds.iter().flat_map(|kind| of_kind(&objects, kind).into_iter().cloned()).collect();
    for role in rights.iter_mut().filter(|object| object["rules"].is_array()) {
        let rules = role["rules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["resources"][0] != without);
    }
    apply(&world, &[accounts, rights].concat());
    let user = User::service_account(&own, "tempcred");
    let last = ["tokenreviews", "subjectaccessreviews"].into_iter().find(|r| *r != without);
    let group = if last == Some("tokenreviews") { "authentication" } else { "authorization" };
    let last = format!("{}.{group}.k8s.io", last.unwrap());
    wait_until("the roles are in force", SOON, || async {
        let grants = may(&world, &user, &own, "list", "rolegrants.tempcred.dev");
        (grants && may(&world, &user, &own, "create", &last)).then_some(())
    })
    .await;
    let files = Files::new(&world);
    let certificate = files.replace();
    let tls = files.flags();
    let mut args: Vec<&str> = tls.iter().map(String::as_str).collect();
    args.push("--metrics-auth");
    args.extend(flags);
    let audit = audit(&world);
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    let operator = world.replica(kubeconfig, &args).await;
    let scraper = Scraper::new(operator.address, Some(&certificate));
    scraper.wait_until_ready().await;
    Scene { world, operator, scraper, user, audit }
}

impl Scene {
    pub fn token(&self, account: &str) -> String {
        self.world.kubectl(&["create", "token", account]).trim().to_owned()
    }

    /// How many reviews of this kind the operator has made.
    fn reviews(&self, resource: &str) -> usize {
        let requests = self.audit.requests(self.user.name(), None).unwrap();
        requests.iter().filter(|request| request.resource == resource).count()
    }

    pub async fn metrics(&self, token: Option<&str>) -> (u16, String) {
        self.scraper.get("/metrics", token).await.expect("no answer")
    }
}

#[tokio::test]
async fn metrics_need_a_token_whose_user_may_read_them_and_probes_do_not() {
    let scene = scene("").await;
    let [reader, other] = USERS.map(|account| scene.token(account));
    let garbage = "eyJhbGciOiJub25lIn0.bm9ib2R5SXNzdWVkVGhpc1Rva2Vu.bm9zaWduYXR1cmVhdGFsbA";
    let account = format!("system:serviceaccount:{}:other", scene.world.namespace);
    for (row, token, status, words) in [
        ("no token", None, 401, "Authorization: Bearer TOKEN"),
        ("garbage", Some(garbage), 401, "does not accept this token"),
        ("no right", Some(other.as_str()), 403, account.as_str()),
        ("a reader", Some(reader.as_str()), 200, "tempcred_leader"),
    ] {
        let (found, body) = scene.metrics(token).await;
        assert!(found == status && body.contains(words), "{row}: {found} {body}");
        let shows = "tempcred_leader";
        assert_eq!(body.contains(shows), status == 200, "{row}: {body}");
    }
    for path in ["/livez", "/readyz"] {
        let answer = scene.scraper.get(path, None).await;
        assert_eq!(answer, Some((200, "ok\n".to_owned())), "{path}");
    }
    // Without TLS there is no answer at all.
    let plain = Scraper::new(scene.operator.address, None);
    assert_eq!(plain.get("/livez", None).await, None);

    // A right that is granted later takes effect.
    let own = &scene.world.namespace;
    apply(
        &scene.world,
        &[json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{own}-other")},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": format!("{own}-tempcred-metrics-reader"),
            },
            "subjects": [{"kind": "ServiceAccount", "name": "other", "namespace": own}],
        })],
    );
    wait_until("the new reader reads", SOON, || async {
        (scene.metrics(Some(&other)).await.0 == 200).then_some(())
    })
    .await;

    assert!(scene.operator.stop().success());
}

#[tokio::test]
async fn reviews_are_remembered_and_their_number_is_limited() {
    let scene = scene("").await;
    for _ in 0..50 {
        assert_eq!(scene.metrics(None).await.0, 401);
    }
    assert_eq!(scene.reviews("tokenreviews"), 0, "a request without a token costs nothing");

    let [reader, other] = USERS.map(|account| scene.token(account));
    for _ in 0..50 {
        assert_eq!(scene.metrics(Some(&reader)).await.0, 200);
    }
    wait_until("the reviews are in the audit log", SOON, || async {
        (scene.reviews("subjectaccessreviews") == 1).then_some(())
    })
    .await;
    assert_eq!(scene.reviews("tokenreviews"), 1);
    for _ in 0..50 {
        assert_eq!(scene.metrics(Some(&other)).await.0, 403);
    }

    let begin = Instant::now();
    let mut limited = 0;
    for number in 0..1000 {
        match scene.metrics(Some(&format!("token-{number}"))).await {
            (401, _) => {}
            (429, body) => {
                assert!(body.contains("try again"), "{body}");
                limited += 1;
            }
            answer => panic!("{answer:?}"),
        }
        if number % 100 == 0 {
            assert_eq!(scene.metrics(Some(&reader)).await.0, 200, "a known token still works");
        }
    }
    let most = 2 + 5 + 1 + begin.elapsed().as_secs();
    let reviews = scene.reviews("tokenreviews");
    assert!(u64::try_from(reviews).unwrap() <= most && limited > 500, "{reviews} of {most}");
    assert!(scene.operator.stop().success());
}

#[tokio::test]
async fn both_rights_to_review_are_needed_and_their_lack_is_reported() {
    for resource in ["tokenreviews", "subjectaccessreviews"] {
        let scene = scene(resource).await;
        let (status, body) = scene.metrics(Some(&scene.token(USERS[0]))).await;
        assert!(status == 503 && body.contains("could not review"), "{resource}: {status} {body}");
        assert_eq!(scene.scraper.get("/livez", None).await.unwrap().0, 200);
        let log = scene.operator.log();
        assert!(log.contains("/metrics failed: the API server rejected it (Forbidden"), "{log}");
        assert!(scene.operator.stop().success());
    }
}

//! No secret value leaks: neither into a log at any level, nor into an event, a status, a metric or a trace, nor into what
//! a command prints.

mod commands;

use std::collections::HashSet;

use k8s_openapi::ByteString;
use rig::sts::Fault;
use serde_json::json;
use tempcred_core::api::CredentialStatus;

use crate::faults::cases::cases;
use crate::faults::{renewed_soon, role, spec};
use crate::listener::access;
use crate::traces::Collector;
use crate::world::{
    OPERATOR_SECRET, SOON, World, assert_complete, condition, is_ready, role_arn, wait_until,
};

/// How long a piece of a value must be to count as leaked: long enough to be no coincidence.
const PIECE: usize = 16;

/// Finds pieces of values in several encodings.
pub struct Detector {
    pieces: HashSet<[u8; PIECE]>,
    /// Whether a piece begins with these two bytes: for most positions, the set need not be searched.
    begins: Vec<bool>,
}

impl Detector {
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut pieces = HashSet::new();
        for value in values {
            let hex: String = value.bytes().map(|b| format!("{b:02x}")).collect();
            let reversed: String = value.chars().rev().collect();
            for form in [value.to_owned(), hex.to_uppercase(), hex, reversed]
                .into_iter()
                .chain((0..3).map(|offset| base64_at(value, offset)))
            {
                pieces.extend(form.as_bytes().array_windows().copied());
            }
        }
        let mut begins = vec![false; 1 << 16];
        pieces.iter().for_each(|piece| begins[beginning(piece)] = true);
        Self { pieces, begins }
    }

    /// How many stretches of these bytes are made of pieces: each is a copy of a value, or what is left of one.
    pub fn copies(&self, bytes: &[u8]) -> usize {
        let is_piece =
            |window: &[u8; PIECE]| self.begins[beginning(window)] && self.pieces.contains(window);
        let (mut copies, mut inside) = (0, false);
        for window in bytes.array_windows() {
            let is = is_piece(window);
            copies += usize::from(is && !inside);
            inside = is;
        }
        copies
    }

    /// Where the first piece of a value is, if there is one.
    fn find(&self, text: &str) -> Option<usize> {
        let mut windows = text.as_bytes().array_windows::<PIECE>();
        windows.position(|window| self.pieces.contains(window))
    }

    fn assert_clean(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "{place} is empty");
        if let Some(at) = self.find(text) {
            let line = text[..at].lines().count();
            panic!("{place} leaks a value in line {line}");
        }
    }
}

fn beginning(piece: &[u8; PIECE]) -> usize {
    usize::from(u16::from_be_bytes([piece[0], piece[1]]))
}

/// The characters of the base64 of a value at this offset in a text that depend on the value alone.
fn base64_at(value: &str, offset: usize) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend(value.as_bytes());
    let encoded = serde_json::to_value(ByteString(bytes)).unwrap();
    let characters = encoded.as_str().unwrap();
    characters[(offset * 8).div_ceil(6)..(offset + value.len()) * 8 / 6].to_owned()
}

#[test]
fn the_detector_finds_a_value_in_every_encoding_and_nothing_else() {
    let value = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let detector = Detector::of([value]);
    let base64 = |text: String| serde_json::to_string(&ByteString(text.into_bytes())).unwrap();
    let rows = [
        ("plain", format!("key={value}")),
        ("its first half", value[..20].to_owned()),
        ("its last half", value[20..].to_owned()),
        ("JSON", json!({"k": value}).to_string()),
        ("in a URL", value.replace('/', "%2F")),
        ("base64", base64(value.to_owned())),
        ("in the base64 of a file", base64(format!("[x]\nk = {value}\n"))),
        ("the same, one further", base64(format!("[xy]\nk = {value}\n"))),
        ("the same, two further", base64(format!("[xyz]\nk = {value}\n"))),
        ("bytes", value.bytes().map(|b| format!("{b:02x}")).collect()),
    ];
    for (row, text) in rows {
        assert!(detector.find(&text).is_some(), "{row}");
        assert_eq!(detector.copies(format!("x {text} {text}").as_bytes()), 2, "{row}");
    }
    assert_eq!(detector.find("ASIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K"), None);
}

#[tokio::test]
async fn no_secret_value_leaks_at_trace_level_in_text() {
    assert_no_leak(&["--log", "trace"]).await;
}

#[tokio::test]
async fn no_secret_value_leaks_at_trace_level_in_json() {
    assert_no_leak(&["--log", "trace", "--log-format", "json"]).await;
}

async fn assert_no_leak(args: &[&str]) {
    let mut world = World::new().await;
    let collector = Collector::of(&mut world).await;
    world.start_operator(args).await;
    let cases = cases();
    for case in &cases {
        world.sts.inject(case.fault.clone());
        world.create(case.name, spec(case.name)).await;
    }
    exercise_everything(&world).await;
    issue_from_inputs(&world).await;
    render_and_adopt(&world).await;
    for case in &cases {
        world.wait(case.name, "failing", |s| s.failure.is_some()).await;
    }
    let while_failing = outside(&world).await;
    let names = ["chained", "access-denied", "cut-and-suspended"];
    let printed = commands::at_a_terminal(&world, names).await;
    let environment = commands::environment(&world, "chained").await;
    world.sts.clear();
    for case in cases.iter().filter(|case| case.reason == "InvalidReply") {
        // By now some have failed so often that their backoff is half a minute.
        world.wait_at_most(SOON * 3, case.name, "ready", is_ready).await;
    }

    let places = [while_failing, printed, outside(&world).await].concat();
    let secrets = world.kubectl(&["get", "secrets", "-o", "json"]);
    let log = world.full_log();
    let traces = collector.text();
    let issued = world.sts.issued();
    assert!(issued.len() > 15, "only {} were issued", issued.len());
    let values = issued.iter().flat_map(|m| [m.secret.as_str(), m.token.as_str()]);
    let mut sent: Vec<String> = vec![];
    for request in world.sts.requests() {
        let field = |name| request.form.get(name).cloned();
        sent.extend(["WebIdentityToken", "SAMLAssertion"].into_iter().filter_map(field));
    }
    assert!(sent.len() >= 4, "only {} tokens and assertions were sent", sent.len());
    let detector = Detector::of(values.chain(sent.iter().map(String::as_str)).chain([
        OPERATOR_SECRET,
        INPUT_SECRET,
        ADOPTED_SECRET,
    ]));

    // The detector finds values where they must be, and public data is shown.
    assert!(detector.find(&secrets).is_some(), "not even in the Secrets");
    assert!(detector.find(&environment).is_some(), "not even in the environment of a command");
    let chained = world.sts.requests().into_iter().filter_map(|r| r.security_token);
    assert!(detector.find(&chained.collect::<String>()).is_some(), "nothing was chained");
    let issued = world.credentials().get("chained").await.unwrap().status.unwrap();
    let key = issued.access_key_id.unwrap();
    assert!(log.contains(&key) && log.contains("DEBUG"), "the log has too little detail");
    assert!(places.iter().any(|(_, text)| text.contains(&key)));
    for role in ["role/hop", "role/by-token", "role/by-assertion"] {
        for id in world.sts.request_ids(role) {
            assert!(log.contains(&id) && traces.contains(&id), "request {id} for {role}");
        }
    }
    assert!(!world.sts.request_ids("role/by-token").is_empty());

    detector.assert_clean("the log", &log);
    assert!(traces.contains("Writing Secret"), "nothing was traced");
    detector.assert_clean("a trace", &traces);
    for (place, text) in &places {
        detector.assert_clean(place, text);
    }
}

/// A token that nobody issued.
const NO_TOKEN: &str = "eyJhbGciOiJub25lIn0.bm9ib2R5SXNzdWVkVGhpc1Rva2Vu.bm9zaWduYXR1cmVhdGFsbA";

#[tokio::test]
async fn no_token_of_a_scraper_leaks() {
    // With all rights, and with each failure of a review.
    for (without, format) in
        [("", "text"), ("", "json"), ("tokenreviews", "text"), ("subjectaccessreviews", "json")]
    {
        let mut world = World::new().await;
        let collector = Collector::of(&mut world).await;
        let flags = ["--log", "trace", "--log-format", format];
        let scene = access::start(world, without, &flags).await;
        let [reader, other] = access::USERS.map(|account| scene.token(account));
        let mut replies = String::new();
        for token in [&*reader, &*reader, &*other, NO_TOKEN] {
            let (status, body) = scene.metrics(Some(token)).await;
            replies.push_str(&format!("{status} {body}"));
        }
        scene.world.create("reports", spec("reports")).await;
        scene.world.wait("reports", "ready", is_ready).await;
        let (_, metrics) = scene.metrics(Some(&reader)).await;
        let events = scene.world.kubectl(&["get", "events", "-o", "json"]);
        let traced = || async { collector.text().contains("Writing Secret").then_some(()) };
        wait_until("the rotation is traced", SOON, traced).await;
        scene.operator.process.terminate().unwrap();
        scene.operator.process.wait(SOON).unwrap();
        let (log, traces) = (scene.operator.log(), collector.text());
        assert!(log.contains("serving /livez") && log.contains("DEBUG"), "{log}");

        let detector = Detector::of([reader.as_str(), other.as_str(), NO_TOKEN]);
        assert!(detector.find(&format!("Bearer {reader}")).is_some());
        let places = [
            ("a reply", &replies),
            ("/metrics", &metrics),
            ("the log", &log),
            ("a trace", &traces),
            ("the events", &events),
        ];
        for (place, text) in places {
            detector.assert_clean(place, text);
        }
    }
}

/// First issue, a chain, a rotation, other formats, and several kinds of damage to a Secret.
async fn exercise_everything(world: &World) {
    let mut chained = spec("chained");
    chained["assumeRole"]["via"] = json!([{"roleArn": "arn:aws:iam::123456789012:role/hop"}]);
    world.issue("chained", chained).await;
    for name in ["rotates", "reshaped", "edited", "cut-off", "deleted"] {
        let spec = if name == "rotates" { renewed_soon(name) } else { spec(name) };
        world.issue(name, spec).await;
    }
    let one_format = json!({"spec": {"secret": {"formats": ["env"]}}});
    world.patch("reshaped", one_format).await;
    world.edit_secret("edited", json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "x"}})).await;
    world.edit_secret("cut-off", json!({"data": {"credentials": null}})).await;
    let delete = kube::api::DeleteParams::default();
    world.secrets().delete("deleted", &delete).await.unwrap();

    wait_until("another shape", SOON, || async {
        (world.data("reshaped").await.len() == 4).then_some(())
    })
    .await;
    for name in ["edited", "cut-off", "deleted"] {
        wait_until("repaired", SOON, || async {
            let secret = world.secrets().get_opt(name).await.unwrap()?;
            let data = crate::world::data(&secret);
            let repaired = data.len() == 6 && data["AWS_SECRET_ACCESS_KEY"] != "x";
            repaired.then(|| assert_complete(&secret))
        })
        .await;
    }
    let rotated = || async { (world.call_times(&role("rotates")).len() >= 2).then_some(()) };
    wait_until("a rotation", SOON, rotated).await;
    // A failing renewal of an unexpired credential: its message is in conditions and in events.
    world.sts.inject(Fault::cut_xml().for_role(&role("rotates")).times(1));
    let failing = |s: &CredentialStatus| is_ready(s) && s.failure.is_some();
    world.wait("rotates", "failing to renew", failing).await;
}

/// A value in a Secret of a user that is taken over.
const ADOPTED_SECRET: &str = "adoptedPasswordThatNobodyMayEverSee78901";

/// Templates, one of which fails; a Secret of a user that is taken over; and a suspended resource whose Secret was cut.
async fn render_and_adopt(world: &World) {
    let rendered = |template: &str| json!({"formats": ["env"], "template": {"file": template}});
    let mut templated = spec("templated");
    templated["secret"] = rendered("{{ secretAccessKey }} {{ sessionToken | tojson }}");
    world.issue("templated", templated).await;
    let broken = rendered("{{ secretAccessKey }}{{ sessionToken | no_filter }}");
    world.patch("templated", json!({"spec": {"secret": broken}})).await;
    world.wait("templated", "refused", |s| s.failure.is_some()).await;

    let theirs = json!({"password": ADOPTED_SECRET, "AWS_SECRET_ACCESS_KEY": ADOPTED_SECRET});
    world.create_secret("adopted", theirs).await;
    let mut adopting = spec("adopted");
    adopting["secret"] = json!({"adopt": true});
    world.create("adopted", adopting).await;
    world.wait("adopted", "refused", |s| s.failure.is_some()).await;
    let agreed = json!({"metadata": {"annotations": {"tempcred.dev/adopt-by": "adopted"}}});
    world.edit_secret("adopted", agreed).await;
    world.wait("adopted", "ready", is_ready).await;

    let name = "cut-and-suspended";
    world.issue(name, spec(name)).await;
    let secret = world.data(name).await["AWS_SECRET_ACCESS_KEY"].clone();
    world.patch(name, json!({"spec": {"suspend": true}})).await;
    let suspended = |s: &CredentialStatus| {
        condition(s, "Ready").is_some_and(|(_, reason)| reason == "Suspended")
    };
    world.wait(name, "suspended", suspended).await;
    let half = json!({
        "stringData": {"AWS_SECRET_ACCESS_KEY": &secret[..secret.len() / 2]},
        "data": {"credentials": null, "credentials.json": null},
    });
    world.edit_secret(name, half).await;
}

/// The secret key of an IAM user, in a Secret.
const INPUT_SECRET: &str = "userSecretKeyThatNobodyMayEverSee4567890";

/// Requests made with keys, tokens and assertions of the namespace; the first attempt of some fails.
async fn issue_from_inputs(world: &World) {
    let inputs = json!({
        "AWS_ACCESS_KEY_ID": "AKIAUSER000000000001", "AWS_SECRET_ACCESS_KEY": INPUT_SECRET,
        "token": "eyJhbGciOiJub25lIn0.dG9rZW5UaGF0Tm9ib2R5TWF5U2Vl.c2lnbmF0dXJl",
        "assertion": "YXNzZXJ0aW9uIHRoYXQgbm9ib2R5IG1heSBldmVyIHNlZQ==",
    });
    world.create_secret("inputs", inputs).await;
    let key = |key: &str| json!({"name": "inputs", "key": key});
    let user = json!({"accessKeySecretRef": {"name": "inputs"}});
    let reader =
        json!({"webIdentity": {"roleArn": role_arn("reader"), "serviceAccountName": "reader"}});
    let account = serde_json::from_value(json!({"metadata": {"name": "reader"}})).unwrap();
    let accounts = kube::Api::<k8s_openapi::api::core::v1::ServiceAccount>::namespaced(
        world.client.clone(),
        &world.namespace,
    );
    accounts.create(&Default::default(), &account).await.unwrap();
    for action in ["AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetSessionToken"] {
        world.sts.inject(Fault::cut_xml().for_action(action).times(1));
    }
    let provider = "arn:aws:iam::123456789012:saml-provider/corporate";
    let task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials";
    let specs = [
        ("by-user", json!({"identity": user, "getSessionToken": {}})),
        (
            "by-token",
            json!({"assumeRoleWithWebIdentity": {
                "roleArn": role_arn("by-token"), "tokenSecretRef": key("token"),
            }}),
        ),
        (
            "by-assertion",
            json!({"assumeRoleWithSAML": {
                "roleArn": role_arn("by-assertion"), "principalArn": provider,
                "assertionSecretRef": key("assertion"),
            }}),
        ),
        (
            "by-account",
            json!({"identity": reader, "assumeRoot": {
                "targetPrincipal": "123456789012", "taskPolicyArn": task,
            }}),
        ),
    ];
    for (name, spec) in &specs {
        world.create(name, spec.clone()).await;
    }
    for (name, _) in specs {
        world.wait(name, "ready", is_ready).await;
    }
}

/// Everything that a user without permission to read Secrets can see.
async fn outside(world: &World) -> Vec<(&'static str, String)> {
    let metadata = "jsonpath={range .items[*]}{.metadata}{.type}{end}";
    let metrics = world.http("/metrics").await;
    assert!(metrics.contains("tempcred_sts_calls"), "{metrics}");
    vec![
        ("/metrics", metrics),
        ("the events", world.kubectl(&["get", "events", "-o", "json"])),
        (
            "the resources",
            world.kubectl(&["get", "tempcred", "-o", "json", "--show-managed-fields"]),
        ),
        ("the table", world.kubectl(&["get", "tempcred", "-o", "wide"])),
        ("describing the resources", world.kubectl(&["describe", "tempcred"])),
        ("describing the Secrets", world.kubectl(&["describe", "secrets"])),
        (
            "the Secrets' metadata",
            world.kubectl(&["get", "secrets", "-o", metadata, "--show-managed-fields"]),
        ),
    ]
}

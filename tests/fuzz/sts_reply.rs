//! Replies of STS over the wire: accepted credentials are complete and unexpired, and the message about any
//! other reply is one line without a secret value.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use secrecy::ExposeSecret;
use serde_json::json;
use tempcred::aws::codes::CODES;
use tempcred::aws::{self, CallRecords, Session, Sts};
use tempcred::telemetry::metrics::Metrics;
use tempcred_core::credentials::Values;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::{Operation, Requests};
use tokio::runtime::Runtime;

use crate::budget;
use crate::input::{Change, changed, changes, is_one_line, junk};

/// Values that no message may contain.
const SECRET: &str = "PLANTEDsecretKey/that+nobody/mayEverBeTold1";
const TOKEN: &str =
    "PLANTEDtoken/that+nobody/mayEverBeTold+IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJ==";

#[derive(Clone, Debug)]
struct Case {
    /// The kind of request.
    request: usize,
    status: String,
    /// The body before it is changed.
    body: String,
    changes: Vec<Change>,
    /// How much larger than the body its `Content-Length` is.
    length: Option<i64>,
    headers: String,
}

/// A time in the reply: mostly within the hour.
fn expiration() -> impl Strategy<Value = String> {
    let ahead = |seconds: std::ops::Range<i64>| {
        seconds.prop_map(|s| (Timestamp::now() + SignedDuration::from_secs(s)).to_string())
    };
    prop_oneof![
        6 => ahead(600..3600),
        2 => ahead(-100..100),
        2 => select(vec![
            "", "0", "2030", "9999-12-31T23:59:59Z", "99999-01-01T00:00:00Z", "-9999-01-01T00:00:00Z",
            "0000-00-00T00:00:00Z", "2030-02-30T00:00:00Z", "2030-01-01T00:00:00.9999999999Z",
            "2030-01-01T00:00:00+25:00", "1970-01-01T00:00:00Z", "253402300800", "NaN",
        ]).prop_map(str::to_owned),
        1 => (Just("2030-01-01T00:00:00Z"), changes()).prop_map(|(time, changes)| changed(time, &changes)),
    ]
}

/// Mostly this value; at times changed, as XML would carry it.
fn value(text: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        8 => Just(text.to_owned()),
        2 => changes().prop_map(move |changes| escaped(&changed(text, &changes))),
        1 => select(vec!["&#10;", "&#13;x", "a&#0;b", "&amp;", "&quot;", "a b", "", "&#x202e;", "&#x2028;", "<x/>"])
            .prop_map(move |part| format!("{text}{part}")),
        1 => (1usize..200_000).prop_map(move |times| text.repeat(times / text.len() + 1)),
    ]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn issued() -> impl Strategy<Value = String> {
    let action = select(vec![
        "AssumeRole",
        "AssumeRole",
        "GetSessionToken",
        "GetFederationToken",
        "GetWebIdentityToken",
    ]);
    let arn = "arn:aws:sts::123456789012:assumed-role/reports/session";
    let parts = (value("ASIAEXAMPLE000000000"), value(SECRET), value(TOKEN), expiration());
    let order = Just(vec![0, 1, 2, 3]).prop_shuffle();
    let size = prop::option::of(select(vec!["12", "100", "", "-1", "99999999999", "x"]));
    (action, parts, value(arn), order, size).prop_map(|(action, (id, secret, token, expiration), arn, order, size)| {
        let fields = [
            format!("<AccessKeyId>{id}</AccessKeyId>"),
            format!("<SecretAccessKey>{secret}</SecretAccessKey>"),
            format!("<SessionToken>{token}</SessionToken>"),
            format!("<Expiration>{expiration}</Expiration>"),
        ];
        let fields: String = order.iter().map(|at: &usize| fields[*at].as_str()).collect();
        let size = size.map(|size| format!("<PackedPolicySize>{size}</PackedPolicySize>")).unwrap_or_default();
        let result = if action == "GetWebIdentityToken" {
            format!("<WebIdentityToken>{token}</WebIdentityToken><Expiration>{expiration}</Expiration>")
        } else {
            format!(
                "<Credentials>{fields}</Credentials><AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>\
                 <Arn>{arn}</Arn></AssumedRoleUser>{size}"
            )
        };
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}\
             </{action}Result><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></{action}Response>\n"
        )
    })
}

fn codes() -> Vec<&'static str> {
    CODES.iter().flat_map(|row| row.codes).copied().collect()
}

fn refused() -> impl Strategy<Value = String> {
    let code = prop_oneof![
        4 => select(codes()).prop_map(str::to_owned),
        1 => junk().prop_map(|text| escaped(&text)),
    ];
    let message = prop_oneof![
        2 => Just("User is not authorized to perform: sts:AssumeRole".to_owned()),
        3 => junk().prop_map(|text| escaped(&text)),
    ];
    (code, message).prop_map(|(code, message)| {
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>id</RequestId></ErrorResponse>"
        )
    })
}

fn case() -> impl Strategy<Value = Case> {
    // Credentials come with any status; an error never contains a value.
    let good = select(vec!["200 OK", "200 OK", "200 OK", "201 X", "204 X", "299 X"]);
    let any = select(vec![
        "200 OK",
        "302 X",
        "400 Bad Request",
        "403 X",
        "429 X",
        "500 X",
        "503 X",
        "599 X",
    ]);
    let (good, any) = (good.prop_map(str::to_owned), any.prop_map(str::to_owned));
    let reply = prop_oneof![
        6 => (good, issued()),
        1 => (any.clone(), issued()),
        3 => (any.clone(), refused()),
        1 => (any, junk()),
    ];
    let headers = prop_oneof![
        5 => Just(String::new()),
        1 => select(vec![
            "Content-Type: application/json\r\n", "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n",
            "Location: http://127.0.0.1:1/\r\n", "x-amzn-errortype: Throttling\r\n", "Date: yesterday\r\n",
            "x-amzn-requestid: a\u{1b}b\r\n", "X: \u{e9}\r\n", "no header\r\n",
        ]).prop_map(str::to_owned),
    ];
    let length =
        prop_oneof![8 => Just(Some(0)), 1 => Just(None), 1 => (-500i64..500).prop_map(Some)];
    (0usize..4, reply, changes(), length, headers).prop_map(
        |(request, (status, body), changes, length, headers)| Case {
            request,
            status,
            body,
            changes,
            length,
            headers,
        },
    )
}

/// An STS that sends a given reply, once for each connection.
#[derive(Clone, Default)]
struct Parrot(Arc<Mutex<Vec<u8>>>);

impl Parrot {
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, parrot) = (format!("http://{}", listener.local_addr().unwrap()), self.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // The client may have disconnected.
                let _ = parrot.answer(&mut stream);
            }
        });
        url
    }

    fn answer(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let (mut request, mut part) = (vec![], [0; 16_384]);
        loop {
            let read = stream.read(&mut part)?;
            request.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                length.and_then(|length| length.parse().ok()).unwrap_or(0) <= body.len()
            });
            if complete || read == 0 {
                break;
            }
        }
        stream.write_all(&self.0.lock().unwrap())
    }
}

fn requests() -> Vec<Operation> {
    let role = "arn:aws:iam::123456789012:role/reports";
    let specs = [
        json!({"assumeRole": {"roleArn": role}}),
        json!({"getSessionToken": {}}),
        json!({"getFederationToken": {"name": "reports"}}),
        json!({"getWebIdentityToken": {"audiences": ["a"], "signingAlgorithm": "RS256"}}),
    ];
    let request = |spec| serde_json::from_value::<Requests>(spec).unwrap();
    specs.map(|spec| Operation::of(&request(spec), "reports").unwrap()).into()
}

struct Wire {
    runtime: Runtime,
    parrot: Parrot,
    session: Session,
    requests: Vec<Operation>,
}

impl Wire {
    fn new() -> Self {
        let parrot = Parrot::default();
        let url = parrot.start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let metrics = Arc::new(Metrics::new(false));
        let region = Some("eu-central-1".to_owned());
        let session = runtime
            .block_on(Sts::load(region, Some(url), [], metrics))
            .session(None, CallRecords::default())
            .unwrap();
        let session = session.signed_with("AKIAFUZZ", &"key".to_owned().into(), None);
        Self { runtime, parrot, session, requests: requests() }
    }

    fn check(&self, case: &Case) -> Result<(), TestCaseError> {
        let body = changed(&case.body, &case.changes);
        let length = case.length.map(|more| {
            let length = i64::try_from(body.len()).unwrap() + more;
            format!("Content-Length: {}\r\n", length.max(0))
        });
        let (length, Case { status, headers, .. }) = (length.unwrap_or_default(), case);
        let reply = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\n{headers}{length}Connection: close\r\n\r\n{body}"
        );
        *self.parrot.0.lock().unwrap() = reply.into_bytes();
        let asked = &self.requests[case.request];
        match self.runtime.block_on(aws::call(asked, &self.session, &Inputs::default())) {
            Ok(issued) => {
                let now = Timestamp::now();
                prop_assert!(
                    issued.expiration > now - SignedDuration::from_secs(1),
                    "{}",
                    issued.expiration
                );
                prop_assert!(case.status.starts_with('2'), "taken from a refusal");
                let values = match &issued.values {
                    Values::AccessKey(keys) => vec![
                        keys.access_key_id.clone(),
                        keys.secret_access_key.expose_secret().to_owned(),
                        keys.session_token.expose_secret().to_owned(),
                    ],
                    Values::Token(token) => vec![token.expose_secret().to_owned()],
                };
                for value in values {
                    let fine = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
                    prop_assert!(!value.is_empty() && value.bytes().all(fine), "{value:?}");
                    prop_assert!(value.len() <= 64 * 1024, "a value of {} bytes", value.len());
                }
                if let Some(id) = issued.access_key_id() {
                    prop_assert!(id.len() <= 128, "an access key ID of {} bytes", id.len());
                }
                if let Some(arn) = &issued.principal_arn {
                    prop_assert!(arn.len() <= 2048 && is_one_line(arn), "{arn:?}");
                }
            }
            Err(problem) => {
                let message = &problem.message;
                prop_assert!(is_one_line(message), "{message:?}");
                prop_assert!(
                    message.chars().count() <= 2000,
                    "{} characters",
                    message.chars().count()
                );
                let leaked = [SECRET, TOKEN].iter().any(|value| {
                    value
                        .as_bytes()
                        .windows(16)
                        .any(|part| message.contains(std::str::from_utf8(part).unwrap()))
                });
                prop_assert!(!leaked, "leaks a value: {message}");
            }
        }
        Ok(())
    }
}

#[test]
fn an_sts_reply_is_accepted_completely_or_not_at_all() {
    let wire = Wire::new();
    budget::run("sts_reply", case(), |case| wire.check(&case));
}

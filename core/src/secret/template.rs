//! `spec.secret.template`: files of any format, rendered from the credentials with [`minijinja`].
//!
//! Templates are written by tenants, so they are restricted to what a file of credentials needs: variables, filters and
//! `if`. [`restricted`](super::template_syntax::restricted) rejects loops, assignments and operators before the engine
//! compiles a template, so the size of the output is bounded by the sizes of the template and of the values.

use std::collections::BTreeMap;
use std::io::{self, Write};

use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use secrecy::SecretString;

use super::keys::RESERVED_KEYS;
use super::template_syntax::{restricted, syntax};
use crate::request::InvalidRequest;
use crate::text::one_line;

/// Largest output of all templates of a Secret, in bytes. Kubernetes limits a Secret to 1 MiB.
const LARGEST_OUTPUT: usize = 256 << 10;

/// Instructions of the engine that one template may take. The restrictions allow about 3,000.
const FUEL: u64 = 20_000;

/// Length of the session token that a template is checked with, in characters. Tokens of STS are shorter, as a rule.
const USUAL_TOKEN: usize = 2048;

/// The values of the variables.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret_access_key: &'a str,
    pub(crate) session_token: &'a str,
    /// When the credentials expire, as RFC 3339 in UTC.
    pub(crate) expiration: &'a str,
    /// `None` if the spec sets none. Then the variable is undefined.
    pub(crate) region: Option<&'a str>,
    /// `None` if the operation returns none. Then the variable is undefined.
    pub(crate) principal_arn: Option<&'a str>,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Variables<'_> {
    fn values(&self) -> Value {
        let required = [
            ("accessKeyId", self.access_key_id),
            ("secretAccessKey", self.secret_access_key),
            ("sessionToken", self.session_token),
            ("expiration", self.expiration),
            ("namespace", self.namespace),
            ("name", self.name),
        ];
        let optional = [("region", self.region), ("principalArn", self.principal_arn)];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Value::from_pairs(required.into_iter().chain(optional))
    }
}

/// Checks the templates of a resource by rendering them with values of a usual length. A template that passes renders
/// with each issue: conditions may only use variables that the spec decides.
///
/// `names_principal` says whether the operation returns the ARN of a principal.
///
/// # Errors
/// [`InvalidRequest::Template`] says which template to change, and how.
pub(crate) fn check_templates(
    templates: &BTreeMap<String, String>,
    region: Option<&str>,
    names_principal: bool,
    (namespace, name): (&str, &str),
) -> Result<(), InvalidRequest> {
    if templates.is_empty() {
        return Ok(());
    }
    for (key, source) in templates {
        if RESERVED_KEYS.contains(&key.as_str()) {
            let what = "spec.secret.formats write this key: choose another one";
            return Err(invalid(key, 1, what));
        }
        restricted(source).map_err(|(line, what)| invalid(key, line, &what))?;
    }
    let variables = Variables {
        access_key_id: &"A".repeat(20),
        secret_access_key: &"/".repeat(40),
        session_token: &"/".repeat(USUAL_TOKEN),
        expiration: "2026-01-01T00:00:00Z",
        region,
        principal_arn: names_principal
            .then_some("arn:aws:sts::123456789012:assumed-role/role/session"),
        namespace,
        name,
    };
    render(templates, variables).map(drop)
}

/// Renders the templates: one entry for each key.
///
/// # Errors
/// [`InvalidRequest::Template`] if a template cannot be rendered. The message contains no value.
pub(crate) fn render(
    templates: &BTreeMap<String, String>,
    variables: Variables<'_>,
) -> Result<BTreeMap<String, SecretString>, InvalidRequest> {
    let mut rendered = BTreeMap::new();
    if templates.is_empty() {
        return Ok(rendered);
    }
    let (environment, values) = (environment(), variables.values());
    let mut left = LARGEST_OUTPUT;
    for (key, source) in templates {
        let template = environment.template_from_str(source).map_err(|e| failed(key, &e))?;
        let mut output = Limited { text: Vec::new(), left };
        template
            .render_captured_to(values.clone(), &mut output)
            .map_err(|error| failed(key, &error))?;
        left = output.left;
        // The engine writes text, so this is valid UTF-8.
        let text = String::from_utf8(output.text).unwrap_or_default();
        rendered.insert(key.clone(), text.into());
    }
    Ok(rendered)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_syntax(syntax());
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment.add_filter("b64encode", |text: &str| base64(text.as_bytes()));
    environment.add_filter("tojson", json);
    environment.add_filter("urlencode", url_encoded);
    environment.add_filter("escape", escaped);
    environment.add_filter("upper", |text: &str| text.to_uppercase());
    environment.add_filter("lower", |text: &str| text.to_lowercase());
    environment.add_filter("default", |value: Value, otherwise: &str| {
        if value.is_undefined() { Value::from(otherwise) } else { value }
    });
    environment
}

fn json(text: &str) -> String {
    // A text can always be serialised.
    serde_json::to_string(text).unwrap_or_default()
}

fn base64(bytes: &[u8]) -> String {
    // `ByteString` serialises as base64.
    let encoded = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()));
    encoded.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&crate::text::hex(&[byte]).to_uppercase());
        }
    }
    encoded
}

/// Escapes the characters that XML and HTML reserve.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Collects output up to a limit.
struct Limited {
    text: Vec<u8>,
    left: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Describes an error of the engine. Its own text is used only where it describes the template.
fn failed(key: &str, error: &minijinja::Error) -> InvalidRequest {
    let what = match error.kind() {
        ErrorKind::UndefinedError => {
            "a variable has no value: region needs spec.region, and principalArn is not returned by getSessionToken and assumeRoot; use the filter default, or {% if region is defined %}".to_owned()
        }
        ErrorKind::WriteFailure => {
            format!("all templates together render to more than {} KiB", LARGEST_OUTPUT >> 10)
        }
        ErrorKind::OutOfFuel => "it takes too many steps to render: make it shorter".to_owned(),
        ErrorKind::SyntaxError => error.detail().unwrap_or("it is not valid").to_owned(),
        _ => "a filter has the wrong arguments: only default has one, a text".to_owned(),
    };
    invalid(key, error.line().unwrap_or(1), &what)
}

fn invalid(key: &str, line: usize, what: &str) -> InvalidRequest {
    InvalidRequest::Template { key: one_line(key, 80), line, what: one_line(what, 300) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    const VARIABLES: Variables<'_> = Variables {
        access_key_id: "ASIA1",
        secret_access_key: "a/b+c=",
        session_token: "t&<o>k",
        expiration: "2026-01-01T01:00:00Z",
        region: Some("eu-central-1"),
        principal_arn: Some("arn:aws:sts::123456789012:assumed-role/r/s"),
        namespace: "analytics",
        name: "reports",
    };

    fn one(source: &str) -> BTreeMap<String, String> {
        [("file".to_owned(), source.to_owned())].into()
    }

    fn rendered(source: &str, variables: Variables<'_>) -> String {
        let rendered = render(&one(source), variables).unwrap();
        rendered["file"].expose_secret().to_owned()
    }

    fn checked(source: &str) -> Result<(), String> {
        check_templates(&one(source), None, true, ("n", "r")).map_err(|error| error.to_string())
    }

    #[test]
    fn renders_variables_filters_and_conditions() {
        for (source, expected) in [
            ("plain\n", "plain\n"),
            ("{{ accessKeyId }}:{{ secretAccessKey }}\n", "ASIA1:a/b+c=\n"),
            (
                "{{ expiration }} {{ principalArn }}",
                "2026-01-01T01:00:00Z arn:aws:sts::123456789012:assumed-role/r/s",
            ),
            ("{{ namespace }}/{{ name }}", "analytics/reports"),
            ("{{ secretAccessKey | urlencode }}", "a%2Fb%2Bc%3D"),
            ("{{ sessionToken | escape }}", "t&amp;&lt;o&gt;k"),
            ("{{ sessionToken | tojson }}", "\"t&<o>k\""),
            ("{{ accessKeyId | b64encode }}", "QVNJQTE="),
            ("{{ accessKeyId | lower | upper }}", "ASIA1"),
            (
                "{% if region == \"eu-central-1\" %}eu{% elif region %}other{% else %}none{% endif %}",
                "eu",
            ),
            ("{% if region is not defined %}no{% endif %}-", "-"),
            ("{% if not region %}no{% endif %}-", "-"),
            ("{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
            ("a {# comment #}b", "a b"),
            ("x {{- name -}} y", "xreportsy"),
        ] {
            assert_eq!(rendered(source, VARIABLES), expected, "{source}");
        }
        let without = Variables { region: None, ..VARIABLES };
        assert_eq!(rendered("{{ region | default('us-east-1') }}", without), "us-east-1");
        assert_eq!(rendered("{% if region %}{{ region }}{% endif %}.", without), ".");
    }

    #[test]
    fn rejects_what_a_tenant_could_abuse_and_says_what_to_change() {
        for (source, message) in [
            ("{{ secretaccesskey }}", "there is no variable \"secretaccesskey\""),
            ("\n{{ region }}", "line 2: a variable has no value"),
            ("{% for x in range(100000000) %}{{ x }}{% endfor %}", "\"for\" is not supported"),
            ("{% set x = accessKeyId %}", "\"set\" is not supported"),
            ("{{ sessionToken * 1000000000 }}", "only variables and filters"),
            ("{{ sessionToken ~ sessionToken }}", "only variables and filters"),
            ("{{ accessKeyId.x }}", "only variables and filters"),
            ("{{ range(10) }}", "there is no variable \"range\""),
            ("{{ 'text' }}", "only variables and filters"),
            ("{{ accessKeyId | tojson | tojson | tojson }}", "at most 2 filters"),
            ("{{ accessKeyId | replace }}", "there is no filter \"replace\""),
            ("{{ accessKeyId | upper('x') }}", "a filter has the wrong arguments"),
            ("{% if secretAccessKey == 'x' %}{% endif %}", "conditions can only use"),
            ("{% if name %}", "unexpected end"),
            ("{% endif %}", "unknown statement endif"),
            ("{{ name", "unexpected end"),
            ("{% include 'x' %}", "\"include\" is not supported"),
        ] {
            let error = checked(source).unwrap_err();
            assert!(error.contains(message), "{source}: {error}");
            assert!(error.starts_with("spec.secret.template[\"file\"], line "), "{error}");
        }
        let error = check_templates(
            &[("credentials".to_owned(), String::new())].into(),
            None,
            true,
            ("n", "r"),
        );
        assert!(error.unwrap_err().to_string().contains("choose another one"));
        assert!(check_templates(&one("{{ principalArn }}"), None, false, ("n", "r")).is_err());
    }

    #[test]
    fn the_output_and_the_number_of_tags_are_bounded() {
        let much = "{{ sessionToken }}".repeat(200);
        let many: BTreeMap<_, _> = (0..16).map(|n| (format!("k{n}"), much.clone())).collect();
        let error = check_templates(&many, None, true, ("n", "r")).unwrap_err().to_string();
        assert!(error.contains("more than 256 KiB"), "{error}");
        for source in [
            "{{ name }}".repeat(1000),
            "{% if region %}".repeat(1000),
            "{% if region %}{% endif %}".repeat(1000),
        ] {
            let error = checked(&source).unwrap_err();
            assert!(error.contains("at most"), "{error}");
        }
    }

    #[test]
    fn no_error_contains_a_value() {
        let secret = "hush".repeat(40_000);
        let variables = Variables { session_token: &secret, ..VARIABLES };
        for source in [
            "{{ sessionToken }}{{ sessionToken }}",
            "{{ sessionToken | default }}",
            "{{ sessionToken | upper('x') }}",
        ] {
            let error = render(&one(source), variables).map(drop).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{source}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_a_checked_template_renders(
            source in "([a-z\\n|(){}%'~*.=+ -]|\\{\\{|\\}\\}|\\{%|%\\}|accessKeyId|region|if|elif|else|endif|default|not|is|defined|raw){0,60}"
        ) {
            if checked(&source).is_ok() {
                for region in [None, Some("eu-central-1")] {
                    let rendered = render(&one(&source), Variables { region, ..VARIABLES });
                    prop_assert!(rendered.is_ok() || region.is_some());
                }
            }
        }
    }
}

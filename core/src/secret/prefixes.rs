//! The prefixes of labels and annotations that resources may put on Secrets.

use crate::api::SecretSpec;
use crate::request::InvalidRequest;

/// The allowed prefixes. Controllers that copy Secrets to other namespaces act on labels and annotations, so a platform
/// team may restrict them.
#[derive(Clone, Debug, Default)]
pub struct KeyPrefixes(Vec<String>);

impl KeyPrefixes {
    /// These prefixes. Every key is allowed if there are none.
    pub fn new(prefixes: Vec<String>) -> Self {
        Self(prefixes)
    }

    /// Checks the keys of a Secret.
    ///
    /// # Errors
    /// [`InvalidRequest::KeyNotAllowed`] names the first key that has none of the prefixes.
    pub fn check(&self, secret: &SecretSpec) -> Result<(), InvalidRequest> {
        let allowed = |key: &String| self.0.iter().any(|prefix| key.starts_with(prefix.as_str()));
        let mut keys = secret.labels.keys().chain(secret.annotations.keys());
        match keys.find(|key| !self.0.is_empty() && !allowed(key)) {
            Some(key) => Err(InvalidRequest::KeyNotAllowed(key.clone(), self.0.join(", "))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_with_an_allowed_prefix_may_be_set() {
        let secret = |label: &str, annotation: &str| {
            let one = |key: &str| [(key.to_owned(), "v".to_owned())].into();
            SecretSpec { labels: one(label), annotations: one(annotation), ..SecretSpec::default() }
        };
        let prefixes = |all: &[&str]| {
            KeyPrefixes::new(all.iter().map(|prefix| (*prefix).to_owned()).collect())
        };
        let two = &["example.com/", "app"][..];
        for (allowed, label, annotation, refused) in [
            (&[][..], "any", "reflector.v1.k8s.emberstack.com/reflection-allowed", None),
            (two, "app", "example.com/a", None),
            (two, "app.kubernetes.io/name", "example.com/a", None),
            (two, "team", "example.com/a", Some("team")),
            (two, "app", "example.com.evil/a", Some("example.com.evil/a")),
            (two, "App", "app", Some("App")),
        ] {
            let key = match prefixes(allowed).check(&secret(label, annotation)) {
                Ok(()) => None,
                Err(InvalidRequest::KeyNotAllowed(key, _)) => Some(key),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(key.as_deref(), refused, "{allowed:?} {label} {annotation}");
        }
    }
}

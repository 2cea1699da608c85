//! What a request asks for.

use std::fmt;

/// The receiver of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// The API server.
    Api,
    /// STS.
    Sts,
}

/// A request, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// The receiver.
    pub peer: Peer,
    /// For the API server, the verb of RBAC, such as `patch`. For STS, the action, such as `AssumeRole`.
    pub verb: String,
    /// The resource, such as `secrets`, with its subresource, such as `temporarycredentials/status`. Empty for STS.
    pub resource: String,
    /// The namespace; empty for objects of the cluster.
    pub namespace: String,
    /// The name of the object; empty for collections.
    pub name: String,
}

/// Resources whose writes change nothing that lasts: reviews and tokens, events and counts for people, which are written
/// whenever there is time, and Leases, which are renewed all the time.
const WITHOUT_EFFECT: &[&str] = &[
    "events",
    "leases",
    "rolegrants/status",
    "selfsubjectaccessreviews",
    "selfsubjectreviews",
    "serviceaccounts/token",
    "subjectaccessreviews",
    "tokenreviews",
];

impl Call {
    /// A call to STS.
    pub(crate) fn sts(action: &str) -> Self {
        let none = String::new;
        let verb = action.to_owned();
        Self { peer: Peer::Sts, verb, resource: none(), namespace: none(), name: none() }
    }

    /// A request to the API server. None if the path is not that of a resource.
    pub(crate) fn api(method: &str, path: &str, query: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        match parts.next()? {
            "api" => parts.nth(0)?,
            "apis" => parts.nth(1)?,
            _ => return None,
        };
        let rest: Vec<_> = parts.collect();
        let (namespace, rest) = match rest[..] {
            ["namespaces", namespace, _, ..] => (namespace, &rest[2..]),
            _ => ("", &rest[..]),
        };
        let (resource, name, subresource) = match *rest {
            [resource] => (resource, "", None),
            [resource, name] => (resource, name, None),
            [resource, name, subresource] => (resource, name, Some(subresource)),
            _ => return None,
        };
        let watches = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
        let verb = match method {
            "GET" if watches => "watch",
            "GET" if name.is_empty() => "list",
            "GET" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => return None,
        };
        let resource = match subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.to_owned(),
        };
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Some(Self { peer: Peer::Api, verb: verb.to_owned(), resource, namespace, name })
    }

    /// Whether the request changes something that lasts, or issues credentials.
    pub(crate) fn is_effect(&self) -> bool {
        match self.peer {
            Peer::Sts => true,
            Peer::Api => {
                !matches!(self.verb.as_str(), "get" | "list" | "watch")
                    && !WITHOUT_EFFECT.contains(&self.resource.as_str())
            }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verb)?;
        for part in [&self.resource, &self.name] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_verb_and_object_of_each_request() {
        for (method, path, query, expected, effect) in [
            ("GET", "/api/v1/namespaces/n/secrets/s", "", "get secrets s", false),
            ("GET", "/api/v1/namespaces/n/secrets", "limit=50", "list secrets", false),
            ("GET", "/api/v1/secrets", "watch=true&limit=1", "watch secrets", false),
            ("PATCH", "/api/v1/namespaces/n/secrets/s", "force=true", "patch secrets s", true),
            ("DELETE", "/api/v1/namespaces/n/secrets/s", "", "delete secrets s", true),
            (
                "PATCH",
                "/apis/tempcred.dev/v1alpha1/namespaces/n/temporarycredentials/r/status",
                "",
                "patch temporarycredentials/status r",
                true,
            ),
            ("POST", "/api/v1/namespaces/n/events", "", "create events", false),
            (
                "POST",
                "/api/v1/namespaces/n/serviceaccounts/a/token",
                "",
                "create serviceaccounts/token a",
                false,
            ),
            ("GET", "/api/v1/namespaces/n", "", "get namespaces n", false),
            ("GET", "/apis/tempcred.dev/v1alpha1/rolegrants", "", "list rolegrants", false),
            (
                "PUT",
                "/apis/coordination.k8s.io/v1/namespaces/n/leases/l",
                "",
                "update leases l",
                false,
            ),
        ] {
            let call = Call::api(method, path, query).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((call.to_string().as_str(), call.is_effect()), (expected, effect), "{path}");
        }
        assert_eq!(Call::api("GET", "/version", ""), None);
        assert!(Call::sts("AssumeRole").is_effect());
    }
}

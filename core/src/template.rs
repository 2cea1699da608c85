//! Templates: text in which `{{ variable }}` is replaced by a value.
//!
//! Templates have no loops, calls or filters, so the length of the output is bounded by the length of the template and
//! of the values. A general template engine would need limits for time and output.

use std::fmt;

/// The variables in the templates of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Name of the cluster.
    Cluster,
    /// Namespace of the resource.
    Namespace,
    /// Name of the resource.
    Name,
}

impl Variable {
    const ALL: [(&str, Self); 3] =
        [("cluster", Self::Cluster), ("namespace", Self::Namespace), ("name", Self::Name)];
}

/// The values of the variables.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Name of the cluster. Empty if it is not set; a template that uses it is then invalid.
    pub cluster: &'a str,
    /// Namespace of the resource.
    pub namespace: &'a str,
    /// Name of the resource.
    pub name: &'a str,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// The error of an invalid template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// There is no such variable.
    #[error("there is no variable {0:?}; the variables are cluster, namespace and name")]
    Unknown(String),
    /// The braces are not balanced.
    #[error("its braces are not balanced; write a variable as {{{{ namespace }}}}")]
    Braces,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`InvalidTemplate`] if a variable is unknown, or the braces are not balanced.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (variable, behind) = after.split_once("}}").ok_or(InvalidTemplate::Braces)?;
            let variable = variable.trim();
            let known = Variable::ALL.iter().find(|(name, _)| *name == variable);
            let unknown = || InvalidTemplate::Unknown(variable.chars().take(40).collect());
            parts.push(plain(before)?);
            parts.push(Part::Variable(known.ok_or_else(unknown)?.1));
            rest = behind;
        }
        parts.push(plain(rest)?);
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// Whether the template uses a variable.
    pub fn uses(&self, variable: Variable) -> bool {
        self.0.contains(&Part::Variable(variable))
    }

    /// Renders the template with these values.
    pub fn render(&self, context: Context<'_>) -> String {
        let part = |part| match part {
            &Part::Variable(Variable::Cluster) => context.cluster,
            Part::Variable(Variable::Namespace) => context.namespace,
            Part::Variable(Variable::Name) => context.name,
            Part::Text(text) => text,
        };
        self.0.iter().map(part).collect()
    }
}

fn plain(text: &str) -> Result<Part, InvalidTemplate> {
    if text.contains(['{', '}']) {
        Err(InvalidTemplate::Braces)
    } else {
        Ok(Part::Text(text.to_owned()))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Context {
            cluster: "{{ cluster }}",
            namespace: "{{ namespace }}",
            name: "{{ name }}",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: Context<'_> =
        Context { cluster: "prod", namespace: "analytics", name: "reports" };

    #[test]
    fn renders_variables_and_rejects_everything_else() {
        for (row, text, expected) in [
            ("plain", "abc", Some("abc")),
            ("empty", "", Some("")),
            ("one", "{{ namespace }}", Some("analytics")),
            ("without spaces", "{{namespace}}", Some("analytics")),
            ("all", "{{ cluster }}/{{ namespace }}/{{ name }}", Some("prod/analytics/reports")),
            ("single braces", "{namespace}", None),
            ("open", "{{ namespace", None),
            ("three braces", "{{{ namespace }}}", None),
            ("unknown", "{{ secretAccessKey }}", None),
            ("a filter", "{{ namespace | upper }}", None),
            ("a loop", "{% for x in y %}", None),
            ("a call", "{{ range(100000) }}", None),
            ("within", "{{ name{{ name }} }}", None),
        ] {
            let rendered = Template::parse(text).ok().map(|template| template.render(VALUES));
            assert_eq!(rendered.as_deref(), expected, "{row}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_its_output_is_bounded(text in "([a-z{} ]|\\{\\{ ?(cluster|namespace|name) ?\\}\\}){0,40}") {
            if let Ok(template) = Template::parse(&text) {
                let rendered = template.render(VALUES);
                prop_assert!(rendered.len() <= text.len() + template.0.len() * 9);
                let braces = rendered.contains(['{', '}']);
                prop_assert!(!braces);
                prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
            }
        }
    }
}

//! Templates: text in which `{{ variable }}` stands for a value.
//!
//! There is nothing else in them, no loops, calls or filters: what a template makes is as long as
//! itself and its values, and it can do nothing. A general engine would need both to be guarded.

use std::fmt;

/// What a template of a grant may speak of.
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
pub struct Values<'a> {
    /// Name of the cluster; empty if none is known, which only templates that do not speak of it meet.
    pub cluster: &'a str,
    /// Namespace of the resource.
    pub namespace: &'a str,
    /// Name of the resource.
    pub name: &'a str,
}

/// A template that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// Why a template was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// There is no such variable.
    #[error("it has no variable {0:?}: there are cluster, namespace and name")]
    Unknown(String),
    /// Braces do not pair.
    #[error("its braces do not pair: a variable is written {{{{ namespace }}}}")]
    Braces,
}

impl Template {
    /// Understands a template.
    ///
    /// # Errors
    /// [`Unclear`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Unclear> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (variable, behind) = after.split_once("}}").ok_or(Unclear::Braces)?;
            let variable = variable.trim();
            let known = Variable::ALL.iter().find(|(name, _)| *name == variable);
            let unknown = || Unclear::Unknown(variable.chars().take(40).collect());
            parts.push(plain(before)?);
            parts.push(Part::Variable(known.ok_or_else(unknown)?.1));
            rest = behind;
        }
        parts.push(plain(rest)?);
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// Whether it speaks of a variable.
    pub fn speaks_of(&self, variable: Variable) -> bool {
        self.0.contains(&Part::Variable(variable))
    }

    /// Fills it in.
    pub fn fill(&self, values: Values<'_>) -> String {
        let part = |part| match part {
            &Part::Variable(Variable::Cluster) => values.cluster,
            Part::Variable(Variable::Namespace) => values.namespace,
            Part::Variable(Variable::Name) => values.name,
            Part::Text(text) => text,
        };
        self.0.iter().map(part).collect()
    }
}

fn plain(text: &str) -> Result<Part, Unclear> {
    if text.contains(['{', '}']) { Err(Unclear::Braces) } else { Ok(Part::Text(text.to_owned())) }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fill(Values {
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

    const VALUES: Values<'_> = Values { cluster: "prod", namespace: "analytics", name: "reports" };

    #[test]
    fn fills_in_variables_and_refuses_all_else() {
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
            let filled = Template::parse(text).ok().map(|template| template.fill(VALUES));
            assert_eq!(filled.as_deref(), expected, "{row}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_never_makes_more_than_its_parts(text in "([a-z{} ]|\\{\\{ ?(cluster|namespace|name) ?\\}\\}){0,40}") {
            if let Ok(template) = Template::parse(&text) {
                let filled = template.fill(VALUES);
                prop_assert!(filled.len() <= text.len() + template.0.len() * 9);
                let braces = filled.contains(['{', '}']);
                prop_assert!(!braces);
                prop_assert_eq!(Template::parse(&template.to_string()).unwrap(), template);
            }
        }
    }
}

//! What templates may contain. The check reads tokens one after the other, so no template makes it recurse.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use crate::text::one_line;

/// Most expressions and statements in one template.
const MOST_TAGS: usize = 256;

/// Most `if` and `elif` in one template.
const MOST_CONDITIONS: usize = 32;

/// Most tokens in one expression or statement.
const MOST_TOKENS: usize = 16;

/// Most filters of one variable. Each may make the text several times as long.
const MOST_FILTERS: usize = 2;

/// The filters that `template` adds to the engine.
const FILTERS: &[&str] =
    &["b64encode", "default", "escape", "lower", "tojson", "upper", "urlencode"];

/// The variables whose values the spec decides.
const OF_SPEC: &[&str] = &["region", "namespace", "name"];

/// The other variables.
const OF_CREDENTIALS: &[&str] =
    &["accessKeyId", "secretAccessKey", "sessionToken", "expiration", "principalArn"];

/// The syntax of Jinja. A newline at the end of a template is kept, because files end with one.
pub(super) fn syntax() -> SyntaxConfig {
    // The delimiters are the default ones, so this cannot fail.
    SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default()
}

/// Rejects everything but text, comments, `{{ variable | filter }}` and `{% if %}`.
///
/// # Errors
/// The line, and what to change.
pub(super) fn restricted(source: &str) -> Result<(), (usize, String)> {
    let (mut tags, mut conditions, mut line) = (0, 0, 1);
    let mut tag = Vec::new();
    for token in tokenize(source, false, syntax()) {
        let (token, span) = token.map_err(|error| {
            let what = error.detail().unwrap_or("it is not valid").to_owned();
            (error.line().unwrap_or(line), what)
        })?;
        line = usize::from(span.start_line).max(1);
        let at = |what: String| (line, what);
        match token {
            Token::TemplateData(_) => {}
            Token::VariableStart | Token::BlockStart => {
                tags += 1;
                if tags > MOST_TAGS {
                    return Err(at(format!("a template has at most {MOST_TAGS} tags")));
                }
                tag.clear();
            }
            Token::VariableEnd => output(&tag).map_err(at)?,
            Token::BlockEnd => {
                conditions += usize::from(statement(&tag).map_err(at)?);
                if conditions > MOST_CONDITIONS {
                    return Err(at(format!("a template has at most {MOST_CONDITIONS} conditions")));
                }
            }
            other if tag.len() < MOST_TOKENS => tag.push(other),
            _ => return Err(at("an expression is too long: use variables and filters".to_owned())),
        }
    }
    Ok(())
}

/// `variable`, and up to two filters.
fn output(tag: &[Token<'_>]) -> Result<(), String> {
    let [Token::Ident(variable), filters @ ..] = tag else { return Err(unsupported()) };
    if !OF_SPEC.contains(variable) && !OF_CREDENTIALS.contains(variable) {
        let all = [OF_CREDENTIALS, OF_SPEC].concat().join(", ");
        return Err(format!("there is no variable {}; the variables are {all}", quoted(variable)));
    }
    let (mut rest, mut count) = (filters, 0);
    while let [Token::Pipe, Token::Ident(filter), after @ ..] = rest {
        count += 1;
        if !FILTERS.contains(filter) {
            let all = FILTERS.join(", ");
            return Err(format!("there is no filter {}; the filters are {all}", quoted(filter)));
        }
        rest = match after {
            [Token::ParenOpen, Token::Str(_) | Token::String(_), Token::ParenClose, after @ ..] => {
                after
            }
            _ => after,
        };
    }
    match rest {
        [] if count <= MOST_FILTERS => Ok(()),
        [] => Err(format!("a variable has at most {MOST_FILTERS} filters")),
        _ => Err(unsupported()),
    }
}

/// `if`, `elif`, `else` or `endif`. Returns whether it has a condition.
fn statement(tag: &[Token<'_>]) -> Result<bool, String> {
    let [Token::Ident(keyword), condition @ ..] = tag else { return Err(unsupported()) };
    let variable = match (*keyword, condition) {
        ("else" | "endif", []) => return Ok(false),
        (
            "if" | "elif",
            [Token::Ident("not"), Token::Ident(variable)] | [Token::Ident(variable)],
        ) => variable,
        (
            "if" | "elif",
            [Token::Ident(variable), Token::Eq | Token::Ne, Token::Str(_) | Token::String(_)],
        ) => variable,
        (
            "if" | "elif",
            [Token::Ident(variable), Token::Ident("is"), Token::Ident("defined")]
            | [
                Token::Ident(variable),
                Token::Ident("is"),
                Token::Ident("not"),
                Token::Ident("defined"),
            ],
        ) => variable,
        ("if" | "elif", _) => {
            return Err(format!(
                "conditions can only use {}: write {{% if region %}}, {{% if region == \"…\" %}} or {{% if region is defined %}}",
                OF_SPEC.join(", ")
            ));
        }
        ("else" | "endif", _) => return Err(format!("{keyword} has no condition: remove it")),
        (other, _) => {
            return Err(format!(
                "{} is not supported: only if, elif, else and endif are",
                quoted(other)
            ));
        }
    };
    if OF_SPEC.contains(variable) {
        Ok(true)
    } else {
        Err(format!(
            "conditions can only use {}, whose values the spec decides",
            OF_SPEC.join(", ")
        ))
    }
}

fn unsupported() -> String {
    "only variables and filters are supported: {{ accessKeyId }} or {{ sessionToken | urlencode }}"
        .to_owned()
}

fn quoted(text: &str) -> String {
    format!("{:?}", one_line(text, 40))
}

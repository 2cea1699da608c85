//! Splits problems of the operator into what happened and what to do.

use tempcred_core::problem::Problem;

use crate::aws::codes::CODES;

/// The message of a problem without its advice, and the advice.
pub fn split(problem: &Problem) -> (String, String) {
    let known = CODES.iter().map(|row| row.advice).chain([problem.reason.advice()]);
    let advice = known.filter(|advice| problem.message.ends_with(advice)).max_by_key(|a| a.len());
    match advice.and_then(|advice| problem.message.strip_suffix(advice)) {
        Some(message) => (message.trim_end().to_owned(), advice.unwrap_or_default().to_owned()),
        None => (problem.message.clone(), problem.reason.advice().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempcred_core::problem::Reason;

    #[test]
    fn the_advice_of_every_row_is_found() {
        for row in CODES {
            let problem =
                Problem::advised(row.reason, "AssumeRole", "arn", "STS said no", row.advice);
            let expected =
                ("AssumeRole for arn failed: STS said no.".to_owned(), row.advice.to_owned());
            assert_eq!(split(&problem), expected);
        }
        let other = Problem::new(Reason::RegionMissing, "No region.");
        assert_eq!(
            split(&other),
            ("No region.".to_owned(), Reason::RegionMissing.advice().to_owned())
        );
    }
}

//! What tenants try against each other and against the operator, and what stops them. Each attack is
//! carried out: by a tenant's own ServiceAccount, against an operator that serves victim and attacker.

mod attack;
mod scene;

mod arns;
mod chains;
mod forgery;
mod forgery_at_rest;
mod grants;
mod hops;
mod races;
mod references;
mod rights;
mod secrets;
mod size;
mod constraints;

#[test]
fn there_are_at_least_forty_attacks_with_different_names() {
    let victim = "victim";
    let tables = [
        arns::rows(),
        references::rows(victim),
        hops::rows(),
        constraints::rows(victim),
        secrets::rows(),
        size::rows(),
        grants::rows(),
    ];
    let mut names: Vec<_> = tables.iter().flatten().map(|attack| attack.name).collect();
    names.extend(rights::rows(victim, "attacker").into_iter().map(|row| row.name));
    names.extend(forgery::rows().into_iter().map(|forgery| forgery.name));
    assert!(names.len() >= 40, "only {}", names.len());
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two attacks of one name");
}

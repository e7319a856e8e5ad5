//! The tree is tidy, and dependencies between crates go one way.

use std::collections::BTreeMap;

use xtask::arrows::{Edges, violations};

#[test]
fn arrows_point_down() {
    assert_eq!(xtask::arrows::check(), Vec::<String>::new());
}

#[test]
fn the_tree_is_tidy() {
    assert_eq!(xtask::tidy::check(), Vec::<String>::new());
}

#[test]
fn a_forbidden_arrow_an_unlisted_crate_and_a_missing_one_are_found() {
    let mut edges: Edges = xtask::arrows::ALLOWED
        .iter()
        .map(|(name, _)| ((*name).to_owned(), Vec::new()))
        .collect::<BTreeMap<_, _>>();
    assert!(violations(&edges).is_empty());
    edges.insert("upturn-report".to_owned(), vec!["upturn-store".to_owned()]);
    edges.insert("upturn-new".to_owned(), Vec::new());
    edges.remove("upturn-types");
    let found = violations(&edges);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found
            .iter()
            .any(|f| f.contains("upturn-report must not depend on upturn-store"))
    );
}

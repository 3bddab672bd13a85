//! The table: one file for each group.

mod bodies;
mod connections;
mod decision;
mod executions;
mod generated;
mod http2;
mod outage;
mod passes;
mod plans;
mod replies;
mod routes;
mod scopes;
mod spoofing;
mod vendors;
mod websocket;

use super::Row;

/// All rows, group by group.
#[must_use]
pub fn rows() -> Vec<Row> {
    [
        decision::rows(),
        routes::rows(),
        scopes::rows(),
        spoofing::rows(),
        replies::rows(),
        vendors::rows(),
        passes::rows(),
        plans::rows(),
        bodies::rows(),
        executions::rows(),
        websocket::rows(),
        connections::rows(),
        http2::rows(),
        outage::rows(),
        generated::rows(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_promises_are_sentences() {
        let all = rows();
        let names: BTreeSet<&str> = all.iter().map(Row::name).collect();
        assert_eq!(names.len(), all.len());
        for row in &all {
            let promise = row.promise();
            assert!(
                promise.ends_with('.') && promise.len() > 20,
                "{}: {promise}",
                row.name()
            );
        }
    }
}

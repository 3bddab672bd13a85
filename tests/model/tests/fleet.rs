use intermission_model::*;
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let quiet = std::env::args().nth(2).is_some();
    let bound = std::env::var("INTERMISSION_MODEL_STATES").ok().map(|n| n.parse().unwrap());
    for (kind, cases) in [("promise", promises()), ("limit", limits()), ("mutation", mutations())] {
    for case in cases.into_iter().filter(|c| format!("{kind}_{}", c.name).contains(&filter)) {
        let start = std::time::Instant::now();
        let e = explore(&case.config, bound.unwrap_or(case.bound));
        println!("{kind:8} {:40} {:?} (expected {:?}) states {} depth {} exhaustive {} {:.1?}", case.name, e.found.as_ref().map(|f| f.violation.invariant), case.expected, e.states, e.depth, e.is_exhaustive, start.elapsed());
        if let Some(f) = e.found {
            if quiet { println!("   {} => {}", f.events.len(), f.violation.story); continue; }
            let mut w = World::new(&case.config, State::new(&case.config));
            for ev in &f.events { w.happen(*ev); println!("   {ev}"); 
              println!("        {} g{} r{} u{} lost{} kb{} cl{} | {:?}", w.state.store.document, w.state.store.grace, w.state.store.reconcile, w.state.store.unseen_time, w.state.store.is_lost as u8, w.state.store.known_before as u8, w.state.store.newest_claimed,
                w.state.store.members.iter().filter(|m|m.known).map(|m| format!("g{}c{}d{}e{}", m.given_up as u8,m.closed as u8,m.drained as u8,m.expires)).collect::<Vec<_>>());
              for n in &w.state.nodes[..case.config.nodes()] { println!("          {:?} {} j{} p{} l{} run{} {:?}", n.life, n.view, n.joined as u8, n.probation as u8, n.lease, n.running as u8, n.call); }
            }
            println!("   => {}", f.violation.story);
        }
    }}
}

//! A crowd of nodes and one server: how many commands a second it sees, in the model's own time.
//!
//! Each node is the real machine. The server is a stand-in for the ledger that is fast with ten thousand nodes
//! ([`store`]), and is shown to reply as the ledger does ([`differential`]). Nothing depends on the machine that runs
//! the test: one seed, one story.

#[cfg(test)]
mod differential;
#[cfg(test)]
mod peer;
#[cfg(test)]
#[path = "../simulation/random.rs"]
mod random;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod store;
#[cfg(test)]
mod world;

use std::ops::Range;

use intermission_core::Phase;

use rates::Rates;
use world::World;

/// The figures of one story.
#[cfg(test)]
#[derive(Debug)]
struct Figures {
    nodes: u32,
    idle: f64,
    phases: Vec<(&'static str, Range<u64>)>,
    /// How many seconds something took, in the model's own time.
    times: Vec<(&'static str, f64)>,
    world: World,
}

#[cfg(test)]
impl Figures {
    fn print(&self) {
        println!("{} nodes: {:.1} commands/s idle", self.nodes, self.idle);
        for (name, seconds) in &self.phases {
            let most = self.times_idle(&self.world.commands, seconds);
            let reports = self.times_idle(&self.world.reports, seconds);
            let tenth = self.world.commands.most_in_a_tenth(seconds) / self.idle;
            println!(
                "  {name:<28} {:>9.0} commands/s, {most:>5.2} times idle ({tenth:>5.2} in a tenth of a second; reports \
                 alone {reports:>5.2})",
                most * self.idle
            );
        }
        for (name, seconds) in &self.times {
            println!("  {name:<54} {seconds:>6.2} s");
        }
    }

    /// The phase in which the server had most to do in a second, wherever that second begins, and how many commands.
    fn peak(&self) -> (&'static str, f64) {
        let phases = self.phases.iter();
        let peaks =
            phases.map(|(name, seconds)| (*name, self.world.commands.most_in_a_second(seconds)));
        peaks
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .unwrap()
    }

    fn times_idle(&self, rates: &Rates, seconds: &Range<u64>) -> f64 {
        rates.most_in_a_second(seconds) / self.idle
    }
}

/// A day in a fleet's life: it idles, closes, drains, loses its server and all data in mid-drain, gets it back empty,
/// brings back what was lost, completes, opens, and loses the server once more while it idles.
#[cfg(test)]
fn live_through_it_all(nodes: u32, seed: u64) -> Figures {
    let mut world = World::new(usize::try_from(nodes).unwrap(), seed);
    world.run_until(14);
    assert!(world.all_agree());
    let idle = world.commands.average(&(6..14));
    world.switch(16);
    let closed = world.seconds_until(World::nobody_is_open);
    world.run_until(20);
    assert_eq!(world.phase(), Phase::Activating);
    assert!(world.nobody_is_open());
    let lost = world.current();
    world.kill();
    world.run_until(25);
    world.restart();
    let brought_back = world.seconds_until(|world| world.current() == lost);
    let reconnected = brought_back + world.seconds_until(World::all_are_connected);
    world.run_until(31);
    assert_eq!(world.current(), lost, "it is brought back");
    world.run_until(39);
    assert_eq!(world.phase(), Phase::Activating, "the grace goes on");
    let completed = 14.0 + world.seconds_until(|world| world.phase() == Phase::Activated);
    world.run_until(48);
    assert_eq!(world.phase(), Phase::Activated);
    assert!(world.all_agree());
    world.switch(0);
    let opened = world.seconds_until(World::all_agree);
    world.run_until(54);
    assert!(world.all_agree() && world.phase() == Phase::Deactivated);
    world.cut();
    world.run_for(10_000);
    let redialled = 0.01 + world.seconds_until(World::all_are_connected);
    world.run_until(60);
    let lost = world.current();
    world.kill();
    world.run_until(65);
    world.restart();
    world.run_until(74);
    assert_eq!(world.current(), lost, "it is brought back");
    assert!(world.all_agree());
    Figures {
        nodes,
        idle,
        phases: vec![
            ("everybody starts", 0..4),
            ("idle", 6..13),
            ("flip: everybody closes", 14..16),
            ("drain", 16..19),
            ("server back, empty, in drain", 25..31),
            ("grace", 31..38),
            ("completion and quiescence", 39..46),
            ("flip: everybody opens", 48..52),
            ("connections cut", 54..58),
            ("server back, empty, idle", 65..70),
        ],
        times: vec![
            ("until everybody is closed", closed),
            (
                "from the empty server's start: record brought back",
                brought_back,
            ),
            (
                "from the empty server's start: all reconnected",
                reconnected,
            ),
            ("from the empty server's start: drain complete", completed),
            ("until everybody is open", opened),
            ("from the cut: all reconnected", redialled),
        ],
        world,
    }
}

/// The most commands that a server gets in any second, compared with what ten thousand nodes send while they idle.
const MOST: f64 = 5.0;

/// The budgets: half a command a second for an idle node, and five times the idle rate, whatever happens to a server
/// with ten thousand nodes, in any second.
#[test]
fn ten_thousand_nodes_do_not_storm_their_server() {
    let figures = live_through_it_all(10_000, 1);
    figures.print();
    println!("{} reports in all", figures.world.reports_in_all);
    assert!(figures.idle <= 0.5 * f64::from(figures.nodes));
    let (name, commands) = figures.peak();
    println!(
        "the most is {:.2} times idle: {name}",
        commands / figures.idle
    );
    assert!(
        commands < MOST * figures.idle,
        "{name}: {commands} commands"
    );
}

/// A small crowd is quicker than five times its idle rate allows, which is nothing to a server: it stays below what a
/// great one does.
#[test]
fn smaller_crowds_neither() {
    let heartbeat = intermission_core::Timing::default().heartbeat.as_secs_f64();
    for nodes in [100, 1_000, 5_000] {
        let figures = live_through_it_all(nodes, 1);
        figures.print();
        assert!(figures.idle <= 0.5 * f64::from(figures.nodes));
        let (name, commands) = figures.peak();
        assert!(
            commands < MOST * 10_000.0 / heartbeat,
            "{name}: {commands} commands"
        );
    }
}

/// A drain with nothing in its way ends with the last execution, but for the spread of what the nodes say.
#[test]
fn a_drain_ends_soon_after_the_last_execution() {
    let mut world = World::new(10_000, 1);
    world.run_until(14);
    world.switch(5);
    let closed = world.seconds_until(World::nobody_is_open);
    let idle = closed + world.seconds_until(World::nothing_runs);
    let done = idle + world.seconds_until(|world| world.phase() == Phase::Activated);
    println!(
        "everybody is closed after {closed:.2} s, nothing runs after {idle:.2} s, activated after {done:.2} s"
    );
    assert!(closed < 1.0 && done - idle < 2.0);
}

use std::convert::Infallible;

use super::*;

fn probe(name: &str) -> Probe {
    Probe::new(name, || async { Ok::<_, Infallible>(()) })
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let name = |name: &str| name.to_owned();
    for (probe, error) in [
        (probe(" "), BadProbe::Name { name: name(" ") }),
        (probe("a\nb"), BadProbe::Name { name: name("a\nb") }),
        (
            probe(&"x".repeat(65)),
            BadProbe::Name {
                name: "x".repeat(65),
            },
        ),
        (
            probe("a").with_every(Duration::ZERO),
            BadProbe::Period { name: name("a") },
        ),
        (
            probe("a").with_timeout(Duration::ZERO),
            BadProbe::Period { name: name("a") },
        ),
        (
            probe("a").with_failures(0),
            BadProbe::Row { name: name("a") },
        ),
        (
            probe("a").with_successes(0),
            BadProbe::Row { name: name("a") },
        ),
        (
            probe("a").with_jitter(1.0),
            BadProbe::Jitter { name: name("a") },
        ),
        (
            probe("a").with_jitter(f64::NAN),
            BadProbe::Jitter { name: name("a") },
        ),
    ] {
        assert_eq!(Probe::validate(&[probe]), Err(error));
    }
    let twice = [probe("a"), probe("b"), probe("a")];
    assert_eq!(
        Probe::validate(&twice),
        Err(BadProbe::Twice { name: name("a") })
    );
    assert_eq!(Probe::validate(&[probe("a"), probe("b")]), Ok(()));
}

#[test]
fn a_pause_is_the_period_give_or_take_the_jitter() {
    let probe = probe("a")
        .with_every(Duration::from_secs(10))
        .with_jitter(0.5);
    assert_eq!(probe.pause(0.0), Duration::from_secs(5));
    assert_eq!(probe.pause(0.5), Duration::from_secs(10));
    let long = probe.with_every(Duration::MAX);
    assert_eq!(long.pause(0.9), Duration::MAX);
}

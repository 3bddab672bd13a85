//! What an adapter does for a request that it lets in, with the mode off, allocates nothing: but where its framework
//! forces it to.

use std::net::IpAddr;

use intermission::{Activate, AllowChange, Change, Network, Outcome, Record, Timestamp};
use intermission_bench::cases::{Case, prepare};

/// How many allocations one request of a case costs. They are counted for this thread alone, and the keeper runs on it
/// only while a case is set up.
async fn allocations(name: &str) -> u64 {
    let mut case = prepare(name).await.unwrap();
    // What is made once, at the first requests.
    case(10).unwrap();
    let count =
        |case: &mut Case, times| allocation_counter::measure(|| case(times).unwrap()).count_total;
    let (few, many) = (count(&mut case, 100), count(&mut case, 200));
    assert_eq!(
        (many - few) % 100,
        0,
        "{name}: not the same for each request"
    );
    (many - few) / 100
}

async fn assert_adds(forced: u64, bare: &str, with: &str) {
    let (bare, added_to) = (allocations(bare).await, allocations(with).await);
    assert_eq!(added_to, bare + forced, "{with}");
}

#[tokio::test]
async fn the_gate_allocates_nothing() {
    for name in ["decide-off", "admit-off", "decide-refused", "admit-refused"] {
        assert_eq!(allocations(name).await, 0, "{name}");
    }
}

#[tokio::test]
async fn a_scope_costs_a_look_and_no_allocation_however_many_are_closed() {
    for name in [
        "decide-scope-none-of-10000",
        "decide-scope-open-of-10000",
        "decide-scope-refused-of-10000",
    ] {
        assert_eq!(allocations(name).await, 0, "{name}");
    }
}

#[tokio::test]
async fn an_adapter_allocates_nothing_for_whom_it_lets_in() {
    for (bare, with) in [
        ("actix-bare", "actix-off"),
        ("actix-bare", "actix-off-table"),
        ("axum-bare", "axum-off-around"),
        ("hyper-bare", "hyper-off"),
        ("hyper-bare", "hyper-off-table"),
        ("tower-bare", "tower-off"),
        ("tower-bare", "tower-off-table"),
        ("warp-bare", "warp-off-around"),
        ("warp-bare", "warp-off-around-table"),
    ] {
        assert_adds(0, bare, with).await;
    }
}

/// A change of the message, in memory and from the bytes of a state, with allow lists of these lengths.
#[test]
fn another_message_allocates_the_same_however_long_the_list_is() {
    let bytes = [1, 100, 10_000].map(|count: u32| {
        let networks = (0..count).map(|at| Network::from(IpAddr::from((at * 2).to_be_bytes())));
        let replace = AllowChange::Replace(networks.collect());
        let change = |record: &Record, activate| {
            let change = Change::Activate(activate);
            match record.apply(&change, Timestamp::default()).unwrap() {
                Outcome::Changed(next) => next,
                Outcome::Unchanged => panic!("it is a change"),
            }
        };
        let said = |message| Activate::by("bench").with_message(message);
        let record = change(&Record::default(), said("Back at nine").with_allow(replace));
        let mut next = None;
        let applied = allocation_counter::measure(|| {
            next = Some(change(&record, said("Back at ten!")));
        });
        let next = next.unwrap().to_json();
        let heard = || drop(Record::from_json_after(&next, &record).unwrap());
        // Read twice: entry by entry, and by what is known of the text then.
        let heard = [(); 2].map(|()| allocation_counter::measure(heard).bytes_total);
        (applied.bytes_total, heard)
    });
    assert!(bytes.iter().all(|one| *one == bytes[0]), "{bytes:?}");
}

/// `axum::serve` takes responses with axum's own body alone, and that is a box around any other.
#[tokio::test]
async fn a_service_for_axum_allocates_the_box_of_the_body() {
    assert_adds(1, "axum-bare", "axum-bare-body").await;
    assert_adds(1, "axum-bare", "axum-off").await;
    assert_adds(1, "axum-bare", "axum-off-flags").await;
}

/// `Router::layer` puts a box around the service and one around its future, whatever the layer does.
#[tokio::test]
async fn a_layer_of_an_axum_router_allocates_the_box_of_the_body_too() {
    assert_adds(2, "axum-bare", "axum-bare-layer").await;
    assert_adds(1, "axum-bare-layer", "axum-off-layer").await;
    assert_adds(1, "axum-bare-layer", "axum-off-layer-table").await;
}

/// A resource of actix-web puts a box around each body that is not in one.
#[tokio::test]
async fn a_scope_of_actix_allocates_the_box_of_the_body() {
    assert_adds(1, "actix-bare-scope", "actix-off-scope").await;
}

/// warp's body is a box around a stream, if it is not bytes. A stream has no length that a server could see, so that is
/// written, and takes the other allocation.
#[tokio::test]
async fn a_guard_of_warp_allocates_the_box_of_the_body_and_its_length() {
    assert_adds(2, "warp-bare", "warp-off").await;
    assert_adds(2, "warp-bare", "warp-off-table").await;
}

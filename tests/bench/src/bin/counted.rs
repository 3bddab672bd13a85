//! The benches that count what is asked of the allocator: `intermission-bench-counted lists FOLDER`.
//!
//! A program of its own, since its allocator counts whatever it does: in the other one that would be among the
//! instructions of everything else.

use std::path::Path;

use anyhow::{Result, bail};
use intermission_bench::lists::{self, Allocated};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [lists::NAME, folder] = words.as_slice() else {
        bail!("usage: intermission-bench-counted lists FOLDER");
    };
    let section = lists::measure(meter)?;
    section.print();
    section.keep(Path::new(folder))
}

fn meter(work: &mut dyn FnMut()) -> Allocated {
    let info = allocation_counter::measure(work);
    Allocated {
        times: info.count_total,
        bytes: info.bytes_total,
        kept: info.bytes_current,
        peak: info.bytes_max,
    }
}

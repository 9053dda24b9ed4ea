//! How fast a follower recomputes roots: appends, and appends with a root at the end of every batch of 50.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quorate_tlog::{
    hash::{Hash, leaf_hash},
    range::CompactRange,
};
use std::hint::black_box;

const LEAVES: u32 = 10_000;

fn append(c: &mut Criterion) {
    let entries: Vec<[u8; 180]> = (0..LEAVES).map(|i| [i.to_be_bytes()[3]; 180]).collect();
    let leaves: Vec<Hash> = (0..LEAVES).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let mut group = c.benchmark_group("range");
    group.throughput(Throughput::Elements(u64::from(LEAVES)));
    group.bench_function("append", |b| {
        b.iter(|| CompactRange::root_of(black_box(&leaves).iter().copied()));
    });
    group.bench_function("append_with_nodes", |b| {
        b.iter(|| {
            let (mut range, mut nodes) = (CompactRange::new(), 0u32);
            for leaf in black_box(&leaves) {
                range.append_with(*leaf, |_| nodes += 1);
            }
            // 10 000 has five 1-bits: each append but these ends in one interior node.
            assert_eq!(nodes, 2 * LEAVES - LEAVES.count_ones());
            range
        });
    });
    group.bench_function("hash_append_root_of_each_50", |b| {
        b.iter(|| {
            let (mut range, mut root) = (CompactRange::new(), None);
            for batch in black_box(&entries).chunks(50) {
                batch.iter().for_each(|entry| range.append(leaf_hash(entry)));
                root = Some(range.root());
            }
            root
        });
    });
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);

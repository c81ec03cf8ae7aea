//! The pool as this binary's global allocator.
#![allow(clippy::unwrap_used)]

use frugan_autograd::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator::new();

const LARGE: usize = 1 << 20;

#[test]
fn a_freed_block_is_used_again_and_zeroed_where_asked() {
    let first = vec![7u8; 3 * LARGE];
    let address = first.as_ptr();
    assert_eq!(address as usize % (1 << 21), 0);
    drop(first);
    let second = vec![0u8; 3 * LARGE - 5];
    if cfg!(target_os = "linux") {
        assert_eq!(second.as_ptr(), address);
    }
    assert!(second.iter().all(|v| *v == 0));
}

#[test]
fn growth_keeps_the_content() {
    let mut values: Vec<u64> = Vec::new();
    for i in 0..(LARGE as u64) {
        values.push(i * i);
    }
    values.truncate(1000);
    values.shrink_to_fit();
    assert!(values.iter().enumerate().all(|(i, v)| *v == (i * i) as u64));
}

#[test]
fn threads_do_not_share_blocks() {
    let workers: Vec<_> = (0..4u8)
        .map(|id| {
            std::thread::spawn(move || {
                for round in 0..50 {
                    let block = vec![id; LARGE + round * 4096];
                    std::thread::yield_now();
                    assert!(block.iter().all(|v| *v == id));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

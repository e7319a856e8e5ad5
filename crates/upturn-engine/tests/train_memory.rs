//! What a training step allocates (nothing), and whether the memory a trainer counts is what it
//! takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use upturn_engine::train::{AdamW, Batch, Block, Init, LearningRates, Shape, Trainer};

/// Counts calls and bytes held.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

#[expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; every call is passed on to the system's as it is"
)]
// SAFETY: arguments and results are those of `System`, untouched.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn batch(lengths: &[usize]) -> Batch {
    let n: usize = lengths.iter().sum();
    Batch {
        tokens: (0..n as u32).map(|i| i * 7 % 50).collect(),
        targets: (0..n as u32).map(|i| i * 11 % 50).collect(),
        lengths: lengths.to_vec(),
    }
}

/// One test, so that no other allocates beside it.
#[test]
fn steps_allocate_nothing_and_memory_is_counted() {
    let settings = AdamW {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
    };
    let init = Init {
        seed: 1,
        embedding_std: 0.1,
        matrix_std: 0.1,
        residual_std: 0.1,
        head_std: 0.1,
    };
    let (full, uneven) = (batch(&[64; 20]), batch(&[64, 3, 50, 64, 9, 20, 64, 1, 60]));
    for block in [Block::Gated, Block::Gelu] {
        for threads in [1, 2] {
            let shape = Shape {
                block,
                vocab_size: 50,
                hidden: 64,
                n_layers: 3,
                n_heads: 4,
                n_kv_heads: 4,
                intermediate: 160,
                tied: false,
                max_positions: 64,
                rope_theta: 10_000.0,
                norm_eps: 1e-5,
            };
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            // Work handed to a pool from outside goes through a queue that allocates.
            pool.install(|| {
                let before = BYTES.load(Ordering::Relaxed);
                let mut trainer = Trainer::new(shape, &init, LearningRates::default()).unwrap();
                let step = |trainer: &mut Trainer, batch: &Batch| {
                    trainer.accumulate(batch).unwrap();
                    trainer.accumulate(batch).unwrap();
                    trainer.apply(&settings).unwrap();
                    trainer.loss(batch).unwrap();
                };
                for _ in 0..3 {
                    step(&mut trainer, &full);
                }
                let held = BYTES.load(Ordering::Relaxed) - before;
                let counted = trainer.memory_bytes();
                assert!(counted <= held, "{counted} of {held} bytes counted");
                assert!(
                    held * 10 < counted * 11,
                    "{counted} of {held} bytes counted"
                );
                let calls = CALLS.load(Ordering::Relaxed);
                for _ in 0..5 {
                    step(&mut trainer, &full);
                    step(&mut trainer, &uneven);
                }
                let calls = CALLS.load(Ordering::Relaxed) - calls;
                assert_eq!(calls, 0, "{block:?}, {threads} threads");
            });
        }
    }
}

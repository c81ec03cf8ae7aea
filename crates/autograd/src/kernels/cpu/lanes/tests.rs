//! What each instruction set of the machine does, against plain loops.

use super::{Avx2, Avx512, LANES, Lanes, Line, Strides};
use crate::kernels::cpu::machine::Width;

/// Calls `$check` with every implementor that the machine has, which may be none.
macro_rules! with_each {
    ($check:ident) => {
        let detected = Width::detected();
        if detected >= Width::Avx2 {
            $check::<Avx2>();
        }
        if detected >= Width::Avx512 {
            $check::<Avx512>();
        }
    };
}

fn load<V: Lanes>(line: &Line) -> V {
    // SAFETY: a line is 16 aligned floats.
    unsafe { V::load(line.0.as_ptr()) }
}

fn floats<V: Lanes>(v: V) -> [f32; LANES] {
    let mut line = Line([0.0; LANES]);
    // SAFETY: a line is 16 aligned floats.
    unsafe { V::store(line.0.as_mut_ptr(), v) };
    line.0
}

/// `first`, `first + 1`, ...
fn counted(first: usize) -> Line {
    Line(std::array::from_fn(|i| (first + i) as f32))
}

fn arithmetic<V: Lanes>() {
    let mut values = counted(0);
    values.0.iter_mut().for_each(|v| *v = 0.37 * *v - 2.9);
    let (a, b, c): (V, V, V) = (load(&values), load(&counted(1)), V::splat(0.3));
    let each = |f: &dyn Fn(f32, f32) -> f32| std::array::from_fn(|i| f(values.0[i], (1 + i) as f32));
    assert_eq!(floats(V::add(a, b)), each(&|a, b| a + b));
    assert_eq!(floats(V::sub(a, b)), each(&|a, b| a - b));
    assert_eq!(floats(V::mul(a, b)), each(&|a, b| a * b));
    assert_eq!(floats(V::div(a, b)), each(&|a, b| a / b));
    assert_eq!(floats(V::mul_add(a, b, c)), each(&|a, b| a.mul_add(b, 0.3)));
    assert_eq!(floats(V::neg_mul_add(a, b, c)), each(&|a, b| (-a).mul_add(b, 0.3)));
    assert_eq!(floats(V::max(c, a)), each(&|a, _| f32::max(a, 0.3)));
    assert_eq!(floats(V::where_positive(a, b)), each(&|a, b| if a > 0.0 { b } else { 0.0 }));
    assert!(floats(V::max(V::zero(), V::splat(f32::NAN))).iter().all(|v| v.is_nan()));
}

#[test]
fn arithmetic_is_that_of_floats() {
    with_each!(arithmetic);
}

/// Masks with lanes missing at either end, in the middle, in a whole half.
const MASKS: [u16; 8] = [0, 0xFFFF, 0x00FF, 0xFF00, 0x000F, 0x7FFE, 0xA5C3, 0x0FF0];

fn masks<V: Lanes>() {
    let (from, old) = (counted(100), counted(1));
    for mask in MASKS {
        let is_in = |i: usize| mask >> i & 1 == 1;
        let mut to = counted(1);
        let distances: [i32; LANES] = std::array::from_fn(|i| (LANES - 1 - i) as i32);
        // SAFETY: a line is 16 floats.
        let (over, masked, gathered) = unsafe {
            V::store_masked(to.0.as_mut_ptr(), mask, load(&from));
            let from = from.0.as_ptr();
            let over = V::load_over(load(&old), mask, from);
            (floats(over), floats(V::load_masked(mask, from)), floats(V::gather(mask, &distances, from)))
        };
        for i in 0..LANES {
            let (new, old) = (from.0[i], old.0[i]);
            assert_eq!(over[i], if is_in(i) { new } else { old }, "{mask:x} {i}");
            assert_eq!(to.0[i], over[i], "{mask:x} {i}");
            assert_eq!(masked[i], if is_in(i) { new } else { 0.0 }, "{mask:x} {i}");
            assert_eq!(gathered[i], if is_in(i) { from.0[LANES - 1 - i] } else { 0.0 }, "{mask:x} {i}");
        }
    }
}

#[test]
fn lanes_outside_a_mask_stay() {
    with_each!(masks);
}

fn moves<V: Lanes>() {
    let rows: [V; LANES] = std::array::from_fn(|i| load(&counted(LANES * i)));
    for (j, column) in V::transposed(rows).into_iter().enumerate() {
        assert_eq!(floats(column), std::array::from_fn(|i| (LANES * i + j) as f32));
    }
    let [low, high] = V::woven(rows[0], rows[1]);
    let want: Vec<f32> = (0..LANES).flat_map(|i| [i as f32, (LANES + i) as f32]).collect();
    assert_eq!([floats(low), floats(high)].concat(), want);
}

#[test]
fn blocks_are_transposed_and_rows_woven() {
    with_each!(moves);
}

/// Value of column `c` of tile `t`, tiles counted pair by pair.
fn tile(t: usize, c: usize) -> f32 {
    (10 * t + c) as f32
}

fn tiles<V: Lanes>() {
    let pair = |p: usize| Line(std::array::from_fn(|i| if i < 8 { tile(2 * p + i / 4, i % 4) } else { -1.0 }));
    // SAFETY: a line is 16 floats.
    let pairs = std::array::from_fn(|p| unsafe { V::load_eight(0xFF, pair(p).0.as_ptr()) });
    let columns = V::columns_of_tiles(pairs);
    let order = floats(columns[0]).map(|v| v as usize / 10);
    let mut sorted = order;
    sorted.sort_unstable();
    assert_eq!(sorted, std::array::from_fn(|t| t), "each tile has one lane");
    for (c, column) in columns.into_iter().enumerate() {
        assert_eq!(floats(column), order.map(|t| tile(t, c)));
    }
    for (p, v) in V::tiles_of_columns(columns).into_iter().enumerate() {
        let mut to = pair(LANES);
        // SAFETY: a line is 16 floats.
        unsafe { V::store_eight(to.0.as_mut_ptr(), 0xFF, v) };
        assert_eq!(to.0, pair(p).0);
    }
    // Cells have tiles' lanes: what is doubled or halved meets what is not.
    let cells = |p: usize| Line(std::array::from_fn(|i| if i < 4 { tile(2 * p + i / 2, i % 2) } else { -1.0 }));
    // SAFETY: a line is 16 floats.
    let quarters = std::array::from_fn(|p| unsafe { std::arch::x86_64::_mm_load_ps(cells(p).0.as_ptr()) });
    let columns = V::columns_of_cells(quarters);
    for (c, column) in columns.into_iter().enumerate() {
        assert_eq!(floats(column), order.map(|t| tile(t, c)));
    }
    for (p, v) in V::cells_of_columns(columns).into_iter().enumerate() {
        let mut to = cells(LANES);
        // SAFETY: a line is 16 floats.
        unsafe { std::arch::x86_64::_mm_store_ps(to.0.as_mut_ptr(), v) };
        assert_eq!(to.0, cells(p).0);
    }
}

#[test]
fn tiles_become_lanes_and_tiles_again() {
    with_each!(tiles);
}

fn eights<V: Lanes>() {
    let from = counted(50);
    for mask in [0_u8, 0xFF, 0x0F, 0xF0, 0x7E, 0x3F, 0x01] {
        let mut to = counted(1);
        // SAFETY: a line is 16 floats.
        unsafe {
            let v = V::load_eight(mask, from.0.as_ptr());
            V::store_eight(to.0.as_mut_ptr(), 0xFF, v);
            let zeroed = std::array::from_fn(|i| match i {
                8.. => (1 + i) as f32,
                _ => f32::from(mask >> i & 1) * from.0[i],
            });
            assert_eq!(to.0, zeroed, "{mask:x}");
            to = counted(1);
            V::store_eight(to.0.as_mut_ptr(), mask, V::load_eight(0xFF, from.0.as_ptr()));
        }
        let want = std::array::from_fn(|i| if i < 8 && mask >> i & 1 == 1 { from.0[i] } else { (1 + i) as f32 });
        assert_eq!(to.0, want, "{mask:x}");
    }
}

#[test]
fn eights_are_masked() {
    with_each!(eights);
}

fn products<V: Lanes>() {
    let lines = |count: usize, seed: usize| -> Vec<Line> {
        (0..count).map(|l| Line(std::array::from_fn(|i| ((l * 37 + i * 11 + seed) % 23) as f32 - 11.0))).collect()
    };
    for (rows, blocks, depth) in [(8_usize, 1, 1), (24, 2, 5), (40, 3, 7), (16, 4, 3), (8, 5, 9)] {
        let (a, b) = (lines(rows.div_ceil(LANES) * depth, 3), lines(blocks * depth, 8));
        let mut out = lines(blocks * rows, 1);
        let strides = Strides { a: depth * LANES, b: depth * LANES, out: rows * LANES };
        for rounds in 1..3 {
            // SAFETY: the operands have the sizes that they must have.
            unsafe {
                let (a, b, out) = (a.as_ptr().cast(), b.as_ptr().cast(), out.as_mut_ptr().cast());
                V::products((rows, blocks, depth), a, b, out, strides, rounds > 1);
            }
            for (g, m) in (0..blocks).flat_map(|g| (0..rows).map(move |m| (g, m))) {
                let value = |p: usize| a[m / LANES * depth + p].0[m % LANES];
                let sum = |i: usize| (0..depth).map(|p| value(p) * b[g * depth + p].0[i]).sum::<f32>();
                let want = std::array::from_fn(|i| rounds as f32 * sum(i));
                assert_eq!(out[g * rows + m].0, want, "{rows} {blocks} {depth}");
            }
        }
    }
}

#[test]
fn products_are_sums_over_the_depth() {
    with_each!(products);
}

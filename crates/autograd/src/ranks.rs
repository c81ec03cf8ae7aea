//! One batch shared by several processes: who holds which rows, and sums over all of them.
//!
//! A rank is one of the processes. Each computes on its own rows of the batch; what depends on the whole batch goes
//! through [`Ranks::sum`], whose gradient is again a sum over ranks. So where the loss of the batch is the mean of the
//! ranks' losses, the mean of their gradients is the batch's, through whatever sums lie on the way.
//!
//! Numbers go through the host, or, on devices that have been joined ([`crate::cuda::join`]), from GPU to GPU.

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Result, Tensor, bail};

use crate::cuda::is_joined;
use crate::cuda::launch::ranks as cuda;
use crate::device::Device;
use crate::fetch::{fetch, on_gpu};
use crate::ints::Ints;
use crate::op::{Context, Op, apply};
use crate::ops::concat::concat;
use crate::value::Value;
use crate::var::Var;

/// How one rank hears of the others. Every rank calls the same sums in the same order.
pub trait Communicator: Send + Sync {
    /// This rank's number, below [`Communicator::size`].
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Puts the sum over ranks in each number's place: added in the order of ranks, so the same bits on all of them.
    ///
    /// # Errors
    /// If a rank is gone or does not answer.
    fn sum(&self, numbers: &mut [f64]) -> Result<()>;

    /// Tells the others that this rank has come to its next sum on the devices, or to the end of a step with such sums. Waits for
    /// nobody.
    ///
    /// # Errors
    /// If a rank is gone.
    fn announce(&self) -> Result<()> {
        Ok(())
    }
}

/// Which rows of a batch a rank holds; with n ranks of b rows each:
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Rank r holds the rows from r b on: batch norm over each rank's rows is that of groups of b.
    Blocks,
    /// Rank r holds the rows r, r + n, r + 2 n, ..: StyleGAN2's minibatch standard deviation, whose groups take every
    /// so manyth image of a batch, has the same groups on one rank as on several.
    Interleaved,
}

/// The ranks as one of them sees them; [`Ranks::alone`] where there is only one. Clones are the same rank.
#[derive(Clone, Default)]
pub struct Ranks(Option<Arc<Shared>>);

struct Shared {
    communicator: Box<dyn Communicator>,
    rows: Rows,
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}

impl Ranks {
    /// A process on its own: every sum is the number itself, and all rows are its own.
    pub fn alone() -> Self {
        Self::default()
    }

    /// One of several.
    pub fn new(communicator: impl Communicator + 'static, rows: Rows) -> Self {
        Self(Some(Arc::new(Shared { communicator: Box::new(communicator), rows })))
    }

    /// This rank's number.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |shared| shared.communicator.rank())
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |shared| shared.communicator.size())
    }

    /// Whether there is no other.
    pub fn is_alone(&self) -> bool {
        self.size() == 1
    }

    /// This rank's rows of a batch of `batch`, which the number of ranks divides.
    pub fn rows(&self, batch: usize) -> Vec<usize> {
        let (rank, size) = (self.rank(), self.size());
        let own = batch / size;
        match self.0.as_ref().map(|shared| shared.rows) {
            None => (0..batch).collect(),
            Some(Rows::Blocks) => (rank * own..(rank + 1) * own).collect(),
            Some(Rows::Interleaved) => (0..own).map(|row| row * size + rank).collect(),
        }
    }

    /// This rank's rows of an array whose first axis is the batch.
    ///
    /// # Errors
    /// If the number of ranks does not divide the batch.
    pub fn own(&self, all: &Var) -> Result<Var> {
        let Some(shared) = &self.0 else { return Ok(all.clone()) };
        let (batch, rest) = split(all)?;
        let own = self.share(batch)?;
        let (split, axis) = match shared.rows {
            Rows::Blocks => ([self.size(), own], 0),
            Rows::Interleaved => ([own, self.size()], 1),
        };
        let dims = |head: &[usize]| [head, rest].concat();
        all.reshape(&dims(&split))?.narrow(axis, self.rank(), 1)?.reshape(&dims(&[own]))
    }

    /// This rank's of one number a row.
    ///
    /// # Errors
    /// If the device fails.
    pub fn own_ints(&self, all: &Ints) -> Result<Ints> {
        if self.is_alone() {
            return Ok(all.clone());
        }
        let numbers = all.to_vec()?;
        Ok(self.rows(numbers.len()).into_iter().map(|row| numbers[row]).collect())
    }

    /// The rows of all ranks in the order of the batch, of an array whose first axis is this rank's rows. Differentiable.
    ///
    /// # Errors
    /// If a rank is gone.
    pub fn gather(&self, own: &Var) -> Result<Var> {
        let Some(shared) = &self.0 else { return Ok(own.clone()) };
        let (count, rest) = split(own)?;
        let (head, axis) = match shared.rows {
            Rows::Blocks => ([1, count], 0),
            Rows::Interleaved => ([count, 1], 1),
        };
        let dims = |head: &[usize]| [head, rest].concat();
        let part = own.reshape(&dims(&head))?;
        let nothing = part.zeros_like()?;
        let parts: Vec<&Var> =
            (0..self.size()).map(|rank| if rank == self.rank() { &part } else { &nothing }).collect();
        self.sum(&concat(&parts, axis)?.reshape(&dims(&[count * self.size()]))?)
    }

    /// The sum over ranks of arrays of one shape. Differentiable: its cotangent is the sum of the ranks'.
    ///
    /// # Errors
    /// If a rank is gone.
    pub fn sum(&self, own: &Var) -> Result<Var> {
        if self.is_alone() { Ok(own.clone()) } else { apply(Sum(self.clone()), &[own]) }
    }

    /// The means over ranks of many arrays, in one exchange and off the tape; arrays keep their shape, type and device.
    ///
    /// # Errors
    /// If a rank is gone, or arrays on joined devices are of several types.
    pub fn mean_all(&self, arrays: &mut [Var]) -> Result<()> {
        let Some(shared) = &self.0 else { return Ok(()) };
        let own: Vec<&Var> = arrays.iter().collect();
        if let Some(own) = on_gpu(&own)?.filter(|own| own[0].gpu().is_joined()) {
            shared.communicator.announce()?;
            for (array, mean) in arrays.iter_mut().zip(cuda::means(&own)?) {
                *array = Var::with_node(Value::Cuda(mean), None);
            }
            return Ok(());
        }
        let mut all = fetch(&own)?.concat();
        shared.communicator.sum(&mut all)?;
        let size = self.size() as f64;
        all.iter_mut().for_each(|number| *number /= size);
        let mut rest = all.as_slice();
        for array in arrays {
            let (own, others) = rest.split_at(array.elem_count());
            *array = Var::with_node(of_numbers(own.to_vec(), array.value())?, None);
            rest = others;
        }
        Ok(())
    }

    /// Tells the others that this rank has asked its device for all of a step, where sums stay on the devices: who does not come so far
    /// holds them up.
    ///
    /// # Errors
    /// If a rank is gone, or the device cannot be opened.
    pub fn end_step(&self, device: Device) -> Result<()> {
        match &self.0 {
            Some(shared) if is_joined(device)? => shared.communicator.announce(),
            _ => Ok(()),
        }
    }

    /// A batch's rows a rank.
    fn share(&self, batch: usize) -> Result<usize> {
        if !batch.is_multiple_of(self.size()) {
            bail!("ranks: a batch of {batch} cannot be shared by {}", self.size())
        }
        Ok(batch / self.size())
    }
}

/// The length of the first axis, and the others.
fn split(array: &Var) -> Result<(usize, &[usize])> {
    match array.dims().split_first() {
        Some((first, rest)) => Ok((*first, rest)),
        None => bail!("ranks: a scalar has no rows"),
    }
}

/// Numbers as an array of the shape, type and device of `like`.
fn of_numbers(numbers: Vec<f64>, like: &Value) -> Result<Value> {
    let tensor = Tensor::from_vec(numbers, like.dims(), &candle_core::Device::Cpu)?.to_dtype(like.dtype())?;
    Value::from_tensor(&tensor).to_device(like.device())
}

/// A sum over ranks is its own adjoint.
struct Sum(Ranks);

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum_over_ranks"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        let Some(shared) = &self.0.0 else { return Ok(inputs[0].clone()) };
        if let Value::Cuda(array) = inputs[0]
            && array.gpu().is_joined()
        {
            shared.communicator.announce()?;
            if let Some(sum) = cuda::sum(array)? {
                return Ok(Value::Cuda(sum));
            }
        }
        let mut numbers = inputs[0].to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        shared.communicator.sum(&mut numbers)?;
        of_numbers(numbers, inputs[0])
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(self.0.sum(&g)?)])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};
    use std::thread;

    use super::*;
    use crate::check::spread;
    use crate::tape::{GraphMode, grad_of_scalar};

    /// Ranks as threads, which add in each other's sight.
    struct Thread {
        rank: usize,
        board: Arc<(Vec<Mutex<Vec<f64>>>, Barrier)>,
    }

    impl Communicator for Thread {
        fn rank(&self) -> usize {
            self.rank
        }

        fn size(&self) -> usize {
            self.board.0.len()
        }

        fn sum(&self, numbers: &mut [f64]) -> Result<()> {
            let (slots, barrier) = &*self.board;
            *slots[self.rank].lock().expect("unpoisoned") = numbers.to_vec();
            barrier.wait();
            numbers.fill(0.0);
            for slot in slots {
                numbers.iter_mut().zip(&*slot.lock().expect("unpoisoned")).for_each(|(sum, n)| *sum += n);
            }
            barrier.wait();
            Ok(())
        }
    }

    /// What `f` gives on each of `size` ranks.
    fn on_ranks<T: Send>(size: usize, rows: Rows, f: impl Fn(Ranks) -> Result<T> + Sync) -> Result<Vec<T>> {
        let board = Arc::new(((0..size).map(|_| Mutex::default()).collect(), Barrier::new(size)));
        thread::scope(|scope| {
            let ranks = (0..size).map(|rank| Ranks::new(Thread { rank, board: Arc::clone(&board) }, rows));
            let threads: Vec<_> = ranks.map(|ranks| scope.spawn(|| f(ranks))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no rank panicked")).collect()
        })
    }

    #[test]
    fn every_row_has_one_rank_and_comes_back_in_order() -> Result<()> {
        let all = Var::constant(spread(&[6, 2], -1.0, 1.0, 1)?);
        for rows in [Rows::Blocks, Rows::Interleaved] {
            let held = on_ranks(3, rows, |ranks| {
                let own = ranks.own(&all)?;
                let by_row: Vec<f64> = all.to_vec::<f64>()?;
                let of_rows = ranks.rows(6).into_iter().flat_map(|row| by_row[2 * row..2 * row + 2].to_vec());
                assert_eq!(own.to_vec::<f64>()?, of_rows.collect::<Vec<_>>());
                assert_eq!(ranks.gather(&own)?.to_vec::<f64>()?, by_row);
                ranks.own_ints(&(0..6).collect::<Vec<i32>>().into())?.to_vec()
            })?;
            let mut rows: Vec<i32> = held.concat();
            rows.sort_unstable();
            assert_eq!(rows, [0, 1, 2, 3, 4, 5]);
        }
        Ok(())
    }

    /// A loss that mixes the rows of the whole batch, and a gradient penalty on it.
    fn loss(ranks: &Ranks, x: &Var, weight: &Var) -> Result<Var> {
        let y = ranks.own(x)?.mul(weight)?.exp()?;
        let logits = ranks.gather(&y.sum_keep(&[1])?)?;
        let spread = logits.sub(&logits.mean()?)?.square()?.mean()?;
        let slope = &grad_of_scalar(&spread, &[weight], GraphMode::Create)?[0];
        let mut slope = slope.clone();
        if !ranks.is_alone() {
            slope = ranks.sum(&slope)?.scale(1.0 / ranks.size() as f64)?;
        }
        spread.add(&slope.square()?.sum()?)
    }

    #[test]
    fn gradients_through_sums_are_the_whole_batch_s() -> Result<()> {
        let x = Var::constant(spread(&[4, 3], -1.0, 1.0, 2)?);
        let start = spread(&[3], 0.2, 0.9, 3)?;
        let step = |ranks: &Ranks| {
            let weight = Var::leaf(start.clone());
            let loss = loss(ranks, &x, &weight)?;
            let mut gradients = grad_of_scalar(&loss, &[&weight], GraphMode::Free)?;
            gradients.push(loss.detach());
            ranks.mean_all(&mut gradients)?;
            Ok([gradients[0].to_vec::<f64>()?, gradients[1].to_vec()?].concat())
        };
        let alone = step(&Ranks::alone())?;
        for rows in [Rows::Blocks, Rows::Interleaved] {
            for shared in on_ranks(2, rows, |ranks| step(&ranks))? {
                for (a, b) in shared.iter().zip(&alone) {
                    assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{shared:?} and {alone:?}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_batch_that_cannot_be_shared_is_refused() -> Result<()> {
        let errors = on_ranks(2, Rows::Blocks, |ranks| {
            let odd = Var::zeros(&[3, 1], DType::F32, &crate::Device::Cpu)?;
            Ok(ranks.own(&odd).expect_err("three rows for two").to_string())
        })?;
        assert!(errors.iter().all(|error| error.contains("a batch of 3 cannot be shared by 2")), "{errors:?}");
        Ok(())
    }
}

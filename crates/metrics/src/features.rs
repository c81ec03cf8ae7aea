use crate::{Error, Result};

/// What one pass of a feature network gives; every metric is computed from it.
///
/// ```
/// use frugan_metrics::Features;
/// let mut features = Features::new(2, vec![0.0, 1.0, 2.0, 3.0])?;
/// features.append(Features::new(2, vec![4.0, 5.0])?)?;
/// assert_eq!((features.len(), features.row(2)), (3, &[4.0, 5.0][..]));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// `[n, dims]`, row by row: the pooled features.
    pub pool: Vec<f32>,
    /// Features of an image.
    pub dims: usize,
    /// Class scores before the softmax, where the network has its last layer.
    pub logits: Option<Logits>,
}

/// Class scores of images, `[n, classes]`, before the softmax and **without** the last layer's bias, as the Inception
/// score takes them.
///
/// ```
/// use frugan_metrics::Logits;
/// let logits = Logits { values: vec![0.0; 8], classes: 4 };
/// assert_eq!(logits.values.len() / logits.classes, 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Row by row.
    pub values: Vec<f32>,
    /// Classes (1008 in the 2015 network).
    pub classes: usize,
}

impl Features {
    /// Features without logits: `pool` is `[n, dims]`.
    ///
    /// # Errors
    /// If `pool` is not a whole number of rows.
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// assert!(Features::new(3, vec![0.0; 4]).is_err());
    /// ```
    pub fn new(dims: usize, pool: Vec<f32>) -> Result<Self> {
        if dims == 0 || !pool.len().is_multiple_of(dims) {
            return Err(Error::input("features", format!("{} values are not rows of {dims}", pool.len())));
        }
        Ok(Self { pool, dims, logits: None })
    }

    /// Number of images.
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// assert_eq!(Features::new(2, vec![0.0; 8])?.len(), 4);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.pool.len() / self.dims
    }

    /// Whether there is no image.
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// assert!(Features::new(2, vec![])?.is_empty());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// Features of image `i`.
    ///
    /// # Panics
    /// If there is no such image.
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// assert_eq!(Features::new(1, vec![3.0, 4.0])?.row(1), [4.0]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn row(&self, i: usize) -> &[f32] {
        &self.pool[i * self.dims..(i + 1) * self.dims]
    }

    /// The first `count` images, with their logits: what a protocol with fewer fakes takes.
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// assert_eq!(Features::new(1, vec![3.0, 4.0, 5.0])?.first(2).pool, [3.0, 4.0]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.len());
        let logits = |logits: &Logits| Logits {
            values: logits.values[..count * logits.classes].to_vec(),
            classes: logits.classes,
        };
        Self {
            pool: self.pool[..count * self.dims].to_vec(),
            dims: self.dims,
            logits: self.logits.as_ref().map(logits),
        }
    }

    /// The first `count` images and the rest, both without logits: two disjoint halves, for a floor.
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// assert_eq!(Features::new(1, vec![3.0, 4.0])?.split_at(1).1.pool, [4.0]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        let (head, tail) = self.pool.split_at(count.min(self.len()) * self.dims);
        let part = |pool: &[f32]| Self { pool: pool.to_vec(), dims: self.dims, logits: None };
        (part(head), part(tail))
    }

    /// Adds the images of `other` behind these.
    ///
    /// # Errors
    /// If the two come from different networks (dims, or logits on one side only).
    ///
    /// ```
    /// # use frugan_metrics::Features;
    /// let mut features = Features::new(2, vec![0.0; 2])?;
    /// assert!(features.append(Features::new(3, vec![0.0; 3])?).is_err());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn append(&mut self, other: Self) -> Result<()> {
        if self.dims != other.dims || self.logits.is_some() != other.logits.is_some() {
            let (have, got) = (self.dims, other.dims);
            return Err(Error::input("features", format!("{got} dims follow {have}: not the same network")));
        }
        self.pool.extend(other.pool);
        if let (Some(all), Some(more)) = (&mut self.logits, other.logits) {
            all.values.extend(more.values);
        }
        Ok(())
    }
}

use crate::score::spread;
use crate::scoring::{KID_SUBSET_SIZE, KID_SUBSETS, PRDC_NEIGHBOURS};
use crate::{Features, KidSubsets, Moments, Prdc, Protocol, Reference, Result, Score, Scores, Spread, kid, prdc};

/// What the metrics give where nothing is generated: the floor under every number of a table.
///
/// ```
/// use frugan_metrics::{Features, Floor};
/// let features = Features::new(1, (0..40).map(|i| (i * 7 % 13) as f32).collect())?;
/// let floor = Floor::of_halves(&features)?;
/// assert_eq!((floor.fakes, floor.reals), (20, 20));
/// assert!(floor.fid < 1.0 && floor.prdc.is_some_and(|prdc| prdc.precision > 0.8));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Floor {
    /// Images on the fakes' side.
    pub fakes: usize,
    /// Images on the reals' side.
    pub reals: usize,
    /// Fréchet distance.
    pub fid: f64,
    /// Kernel distance over 100 subsets.
    pub kid: Spread,
    /// Precision, recall, density and coverage with k = 5; `None` where a side has no 5th neighbour, for it has fewer than 6
    /// images.
    pub prdc: Option<Prdc>,
}

impl Floor {
    /// Real images in the place of fakes: training set against test set, say.
    ///
    /// # Errors
    /// If the dims differ or a set has fewer than 2 images.
    ///
    /// ```
    /// # use frugan_metrics::{Features, Floor};
    /// let features = Features::new(1, (0..12).map(|i| i as f32).collect())?;
    /// assert!(Floor::between(&features, &features)?.fid.abs() < 1e-9);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn between(fakes: &Features, reals: &Features) -> Result<Self> {
        let has_neighbours = fakes.len().min(reals.len()) > PRDC_NEIGHBOURS;
        let subsets = KidSubsets::draw(0, (fakes.len(), reals.len()), KID_SUBSET_SIZE, KID_SUBSETS);
        Ok(Self {
            fakes: fakes.len(),
            reals: reals.len(),
            fid: crate::fid(&Moments::of(fakes)?, &Moments::of(reals)?)?,
            kid: Spread::of(&kid(fakes, reals, &subsets)?),
            prdc: has_neighbours.then(|| prdc(reals, fakes, PRDC_NEIGHBOURS)).transpose()?,
        })
    }

    /// Two disjoint halves of one set: the first against the second.
    ///
    /// # Errors
    /// If there are fewer than 4 images.
    ///
    /// ```
    /// # use frugan_metrics::{Features, Floor};
    /// let few = |count: usize| Floor::of_halves(&Features::new(1, (0..count).map(|i| i as f32).collect())?);
    /// assert!(few(3).is_err() && few(4)?.prdc.is_none() && few(12)?.prdc.is_some());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn of_halves(features: &Features) -> Result<Self> {
        let half = features.len() / 2;
        let (first, rest) = features.split_at(half);
        let (second, _) = rest.split_at(half);
        Self::between(&first, &second)
    }

    /// The scores under a protocol's names, as an [`crate::Evaluator`] gives them; `protocol` says network and reference, the
    /// number of images is this floor's. Its covariances have the divisor n - 1, so [`Reference::Full`] is named `train`.
    ///
    /// ```
    /// # use frugan_metrics::{Features, Floor, Protocol, Reference, Tap};
    /// # let features = Features::new(1, (0..12).map(|i| i as f32).collect())?;
    /// let protocol = Protocol { tap: Tap::Random, num_fakes: 0, reference: Reference::Train };
    /// assert_eq!(Floor::of_halves(&features)?.scores(protocol)[0].0, "frd6_train");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn scores(&self, protocol: Protocol) -> Scores {
        let reference = if protocol.reference == Reference::Full { Reference::Train } else { protocol.reference };
        let protocol = Protocol { num_fakes: self.fakes, reference, ..protocol };
        let mut scores = vec![(protocol.fid(), Score::Value(self.fid))];
        scores.extend(spread(protocol.kid(), self.kid));
        let values = match &self.prdc {
            Some(prdc) => [prdc.precision, prdc.recall, prdc.density, prdc.coverage].map(Score::Value),
            None => [(); 4].map(|()| Score::Absent(format!("fewer than {} images on a side", PRDC_NEIGHBOURS + 1))),
        };
        scores.extend(protocol.prdc().into_iter().zip(values));
        scores
    }
}

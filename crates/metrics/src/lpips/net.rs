//! The two trunks of LPIPS, layer by layer.

/// Which trained network looks at the images.
///
/// ```
/// use frugan_metrics::LpipsNet;
/// assert_eq!((LpipsNet::AlexNet.name(), LpipsNet::AlexNet.smallest_side()), ("alexnet", 31));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LpipsNet {
    /// AlexNet's five convolutions, a tap behind each: the quick one, and the paper's choice for comparing images.
    AlexNet,
    /// VGG16's thirteen convolutions, a tap behind each of the five groups: what the path length is defined by.
    Vgg16,
}

/// A convolution with bias and ReLU, `[outputs, inputs, kernel, kernel]`.
pub(super) struct Layer {
    outputs: usize,
    kernel: usize,
    pub(super) stride: usize,
    /// Whether the network's max pooling stands before it.
    pub(super) pooled: bool,
    /// Whether its output is compared.
    pub(super) tapped: bool,
}

impl Layer {
    const fn new(outputs: usize, kernel: usize, pooled: bool, tapped: bool) -> Self {
        Self { outputs, kernel, stride: 1, pooled, tapped }
    }

    /// Keeps the size, but for AlexNet's first layer.
    pub(super) fn padding(&self) -> usize {
        if self.stride > 1 { 2 } else { self.kernel / 2 }
    }
}

const ALEXNET: [Layer; 5] = [
    Layer { outputs: 64, kernel: 11, stride: 4, pooled: false, tapped: true },
    Layer::new(192, 5, true, true),
    Layer::new(384, 3, true, true),
    Layer::new(256, 3, false, true),
    Layer::new(256, 3, false, true),
];

const VGG16: [Layer; 13] = [
    Layer::new(64, 3, false, false),
    Layer::new(64, 3, false, true),
    Layer::new(128, 3, true, false),
    Layer::new(128, 3, false, true),
    Layer::new(256, 3, true, false),
    Layer::new(256, 3, false, false),
    Layer::new(256, 3, false, true),
    Layer::new(512, 3, true, false),
    Layer::new(512, 3, false, false),
    Layer::new(512, 3, false, true),
    Layer::new(512, 3, true, false),
    Layer::new(512, 3, false, false),
    Layer::new(512, 3, false, true),
];

impl LpipsNet {
    /// As in the weights file's name, `lpips-alexnet.safetensors` or `lpips-vgg16.safetensors`.
    ///
    /// ```
    /// # use frugan_metrics::LpipsNet;
    /// assert_eq!(LpipsNet::Vgg16.name(), "vgg16");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::AlexNet => "alexnet",
            Self::Vgg16 => "vgg16",
        }
    }

    /// Height and width that an image must have for the last layer to see a pixel.
    ///
    /// ```
    /// # use frugan_metrics::LpipsNet;
    /// assert_eq!(LpipsNet::Vgg16.smallest_side(), 16);
    /// ```
    pub fn smallest_side(self) -> usize {
        match self {
            Self::AlexNet => 31,
            Self::Vgg16 => 16,
        }
    }

    /// Names and shapes of the tensors in a weights file, in the network's order: `conv0.weight`
    /// `[out, in, height, width]` and `conv0.bias` `[out]` up to the last convolution, then the heads `lin0.weight`
    /// `[1, channels, 1, 1]`, one a tap.
    ///
    /// ```
    /// # use frugan_metrics::LpipsNet;
    /// let tensors = LpipsNet::AlexNet.tensors();
    /// assert_eq!(tensors[0], ("conv0.weight".to_string(), vec![64, 3, 11, 11]));
    /// assert_eq!(tensors[14], ("lin4.weight".to_string(), vec![1, 256, 1, 1]));
    /// ```
    pub fn tensors(self) -> Vec<(String, Vec<usize>)> {
        let mut tensors = Vec::new();
        let mut inputs = 3;
        for (i, Layer { outputs, kernel, .. }) in self.layers().iter().enumerate() {
            tensors.push((format!("conv{i}.weight"), vec![*outputs, inputs, *kernel, *kernel]));
            tensors.push((format!("conv{i}.bias"), vec![*outputs]));
            inputs = *outputs;
        }
        let tapped = self.layers().iter().filter(|layer| layer.tapped).enumerate();
        tensors.extend(tapped.map(|(i, layer)| (format!("lin{i}.weight"), vec![1, layer.outputs, 1, 1])));
        tensors
    }

    pub(super) fn layers(self) -> &'static [Layer] {
        match self {
            Self::AlexNet => &ALEXNET,
            Self::Vgg16 => &VGG16,
        }
    }

    /// Side and stride of the max poolings.
    pub(super) fn pooling(self) -> (usize, usize) {
        match self {
            Self::AlexNet => (3, 2),
            Self::Vgg16 => (2, 2),
        }
    }
}

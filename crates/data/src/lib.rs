//! Data sets for GANs: CIFAR, image folders, an embedded synthetic set; subsets and the loader.

//! FID, IS, KID, precision, recall, density, coverage and the leak measure.

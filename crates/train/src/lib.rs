//! Training steps, runs, checkpoints, monitors and TensorBoard logs.

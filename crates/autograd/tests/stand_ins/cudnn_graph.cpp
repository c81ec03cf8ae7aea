// A stand-in for the part of NVIDIA's cuDNN that its functions go through (libcudnn_graph.so.9), and that tells which CUDA it is for.

#include <cstddef>

extern "C" {

size_t cudnnGetVersion() { return 91900; }

size_t cudnnGetCudartVersion() { return 13000; }

}  // extern "C"

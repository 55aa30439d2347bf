// SPDX-License-Identifier: Apache-2.0
// Which tensors read and write a model's residual stream, taken from its spec: what a change of the stream's
// basis has to touch.
#pragma once

#include "core/model/spec.h"

namespace qs {

/// What stands between the stream and the linears that read it.
struct StreamReader {
    NormSpec norm;                          ///< Kind None: they read the stream as it is
    std::vector<const LinearSpec*> linears; ///< of the spec
    std::vector<std::string> tensors;       ///< further matrices [n, hidden]: routers, the head
};

/// A linear whose outputs are added to the stream.
struct StreamWriter {
    std::string weight; ///< logical name, [hidden, n]
    std::string bias;   ///< logical name, [hidden]; "" : none
};

struct ResidualStream {
    std::vector<std::string> tables; ///< [n, hidden], whose rows are added to it: embeddings
    std::vector<StreamWriter> writers;
    std::vector<StreamReader> readers; ///< in order of use; the last is the head's
    /// A LayerNorm reads it: it takes the mean over channels off, so a change of basis must keep the vector
    /// of ones.
    bool takesMeanOff = false;
};

/// The stream of a pre-norm model: x + f(norm(x)) with linears at both ends of f. InvalidArgument, naming the
/// architecture and the tensor, where that is not so: a norm on what a half writes, on the sum, or on the
/// embedding. `spec` must outlive the result.
Result<ResidualStream> residualStream(const ModelSpec& spec);

} // namespace qs

// SPDX-License-Identifier: Apache-2.0
// Method registry: one entry per way of choosing the codes of a tensor (methods.def + methods/<id>.cpp).
#pragma once

#include "core/backend/backend.h"
#include "core/base/job.h"
#include "core/base/param_spec.h"
#include "core/codec/codec.h"

namespace qs {

/// What a method must be given besides the weights. Importance is how active each input is: the diagonal of
/// Sigma, which every calibration has, and importance matrices of llama.cpp have too.
enum class Needs { Nothing, Importance, Sigma };
const char* needsName(Needs needs); ///< "data-free", "importance", "sigma"

struct QuantizeInput {
    ConstMatrixView weight; ///< [out, in]
    const Codec* codec = nullptr;
    const MatrixD* sigma =
        nullptr; ///< [in, in], X^T X over calibration tokens (not normalized); nullptr when data-free
    /// [in], sum of x^2 over tokens; for methods that need Importance. Empty: they take Sigma's diagonal.
    std::span<const double> importance;
    Params params; ///< of the method
    uint64_t seed = 0;
    Backend* backend = nullptr;
};

struct MethodDescriptor {
    std::string id; ///< stored on disk, never renamed
    std::string label, summary, citation;
    Needs needs = Needs::Nothing;
    ParamSpecs params;
    /// True when the whole-matrix Sigma-weighted error is promised not to exceed RTN's on the same grid.
    bool notWorseThanRtn = false;
    /// Deterministic for a seed, independent of the number of threads.
    Result<QuantizedTensor> (*quantize)(const QuantizeInput& input, const JobContext& job) = nullptr;
    /// What it keeps beside the codes of a [rows, cols] matrix, exactly; null: nothing.
    ExtrasSize (*extras)(const Params& params, size_t rows, size_t cols) = nullptr;
    /// Rough cost in floating point operations, for progress weights.
    double (*flops)(size_t rows, size_t cols) = nullptr;
};

std::span<const MethodDescriptor* const> methods();
Result<const MethodDescriptor*> findMethod(const std::string& id);

/// Error of a quantized matrix, always measured through its dequantization.
struct QuantError {
    double weight = 0;  ///< ||W - W'||^2 / ||W||^2
    double output = -1; ///< tr(E Sigma E^T) / tr(W Sigma W^T); -1 without Sigma
    double maxAbs = 0;  ///< max |W - W'|
};
/// `backend` computes tr(..); null: this processor. 2 m n^2 flops with Sigma.
Result<QuantError> measureError(ConstMatrixView weight, ConstMatrixView dequantized, const MatrixD* sigma,
                                Backend* backend = nullptr);

} // namespace qs

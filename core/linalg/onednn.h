// SPDX-License-Identifier: Apache-2.0
// oneDNN, opened at run time like OpenBLAS: for products of bfloat16 factors on processors that have
// instructions for them (AVX-512 BF16, AMX).
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace qs::linalg {

/// A product c [m, n] = a b of bfloat16 factors into float32, a and b read through strides (elements).
struct Bf16Product {
    size_t m = 0, n = 0, k = 0;
    const uint16_t* a = nullptr;
    size_t aRow = 0, aCol = 0; ///< a(i, l) stands at i aRow + l aCol
    const uint16_t* b = nullptr;
    size_t bRow = 0, bCol = 0; ///< b(l, j) stands at l bRow + j bCol
    float* c = nullptr;
    size_t cRow = 0; ///< c(i, j) stands at i cRow + j
};

/// One thread computes a product; the object may be used by several threads at once.
class OneDnn {
public:
    virtual ~OneDnn() = default;
    virtual Result<void> multiply(const Bf16Product& p) const = 0;
    virtual std::string version() const = 0; ///< "2.6.3"
};

/// nullptr when it cannot be used or the processor has no bfloat16 products; oneDnnProblem() then says why.
/// Loaded once; thread-safe.
const OneDnn* oneDnn();
const std::string& oneDnnProblem();

/// Error::Backend when `library` (as dlopen takes it) cannot be opened, lacks an entry point, has another
/// major version than this program was built for, or computes wrong values.
Result<std::unique_ptr<OneDnn>> loadOneDnn(const std::string& library);

} // namespace qs::linalg

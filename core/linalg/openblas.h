// SPDX-License-Identifier: Apache-2.0
// The entry points of OpenBLAS that linalg uses, resolved at run time.
#pragma once

#include "core/base/result.h"

#include <string>
#include <vector>

namespace qs::linalg {

struct OpenBlas {
    // CBLAS with its 32-bit integer interface; 101 row-major, 111 no transpose, 112 transpose.
    void (*sgemm)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                  int);
    void (*dgemm)(int, int, int, int, int, int, double, const double*, int, const double*, int, double,
                  double*, int);
    // 121 upper, 122 lower triangle.
    void (*ssyrk)(int, int, int, int, int, float, const float*, int, float, float*, int);
    void (*dsyrk)(int, int, int, int, int, double, const double*, int, double, double*, int);
    // 141 left, 142 right; 131 a diagonal that is not all ones.
    void (*dtrmm)(int, int, int, int, int, int, int, double, const double*, int, double*, int);
    // LAPACK (Fortran, column-major).
    void (*dpotrf)(const char*, const int*, double*, const int*, int*);
    void (*dtrtri)(const char*, const char*, const int*, double*, const int*, int*);
    void (*setNumThreads)(int);
    char* (*getCoreName)();
    char* (*getConfig)();
};

/// nullptr when it cannot be used; openBlasProblem() then says why ("" otherwise). Loaded once; thread-safe.
const OpenBlas* openBlas();
const std::string& openBlasProblem();

/// The first of `libraries` (names or paths as dlopen takes them) that can be opened. Error::Backend when
/// none can, when an entry point is missing, when it was built for 64-bit integers, or when it computes wrong
/// values: names the library and the rule.
Result<OpenBlas> loadOpenBlas(const std::vector<std::string>& libraries);

/// A value of OPENBLAS_CORETYPE that would end the process: OpenBLAS runs the kernels it is told to, also
/// where the processor lacks their instructions. `avx2` and `avx512` say what it has.
Result<void> checkCoreType(const std::string& coreType, bool avx2, bool avx512);

} // namespace qs::linalg

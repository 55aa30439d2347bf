// SPDX-License-Identifier: Apache-2.0
// The entry points of OpenBLAS that linalg uses, resolved at run time.
#pragma once

#include <string>

namespace qs::linalg {

struct OpenBlas {
    // CBLAS with its 32-bit integer interface; 101 row-major, 111 no transpose, 112 transpose.
    void (*sgemm)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                  int);
    // LAPACK (Fortran, column-major).
    void (*dpotrf)(const char*, const int*, double*, const int*, int*);
    void (*dtrtri)(const char*, const char*, const int*, double*, const int*, int*);
    void (*setNumThreads)(int);
    int (*getNumThreads)();
    char* (*getCoreName)();
    char* (*getConfig)();
};

/// nullptr when the library or an entry point is missing. Loaded once; thread-safe.
const OpenBlas* openBlas();

} // namespace qs::linalg

// SPDX-License-Identifier: Apache-2.0
// What `bench` measures, each figure beside the machine's ceiling for it.
#pragma once

#include "core/backend/backend.h"
#include "core/base/job.h"

#include <functional>

namespace qs::cli {

/// One measured figure.
struct Figure {
    std::string what;
    double value = 0;
    std::string unit;      ///< "GFLOP/s", "GB/s", "tokens/s", "s"
    double ceiling = 0;    ///< in the same unit; 0: none is known
    std::string ofCeiling; ///< what the ceiling is
};
using Figures = std::vector<Figure>;

/// What the machine can do: a large product in each precision, reading memory.
struct Ceilings {
    double f32 = 0, bf16 = 0; ///< GFLOP/s
    double readBytes = 0;     ///< GB/s, a sum of float32 in host memory
};

/// Values in so much memory that caches hold a small part, 512 MiB. Written, each page by itself: pages that
/// nobody has written are all the same one.
Matrix matrixInMemory();

/// Waits until what was queued before is done.
Result<void> finish(Backend& be, const Tensor& t);
/// Best wall seconds of a call that may fail.
Result<double> secondsOf(const std::function<Result<void>()>& call);

Result<Ceilings> measureCeilings(const std::string& device, int threads, const JobContext& job);
/// Operations of one backend at the shapes of a 1.1 B-parameter Llama.
Result<Figures> benchOperations(Backend& backend, const Ceilings& ceilings, const JobContext& job);
/// Forward, calibration and GPTQ of one block of that shape, and what a model of 22 of them comes to.
Result<Figures> benchModel(Backend& backend, const Ceilings& ceilings, const JobContext& job);
/// What runs on the processor whatever the device: statistics, conversion, rounding.
Result<Figures> benchHost(const Ceilings& ceilings, const JobContext& job);

} // namespace qs::cli

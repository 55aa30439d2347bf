// SPDX-License-Identifier: Apache-2.0
// The parts of the `gptq` exporter that work on an ExportSource. Layout: see core/model/packed/gptq.cpp.
#pragma once

#include "core/export/export_source.h"

namespace qs {

std::vector<LintIssue> lintGptq(const Model& model, const Plan& plan);
Result<uint64_t> gptqBytes(const ExportSource& source);
Result<void> writeGptq(const ExportSource& source, const std::filesystem::path& into, const JobContext& job);
/// Good when every code, scale, zero point and group index read back equals the run's, every other tensor
/// equals the source's bytes, and config.json is the source's plus what the tensors say.
Result<Receipt> verifyGptq(const ExportSource& source, const std::filesystem::path& directory,
                           const JobContext& job);

/// The four packed tensors of one linear, as bytes in file order (little-endian).
struct GptqTensors {
    std::vector<uint32_t> qweight;   ///< [in * bits / 32, out]
    std::vector<uint32_t> qzeros;    ///< [groups, out * bits / 32]
    std::vector<uint16_t> scales;    ///< [groups, out], F16
    std::vector<int32_t> groupIndex; ///< [in]
};
/// `version2`: zero points as they are, otherwise minus one. InvalidArgument when something does not fit.
Result<GptqTensors> packGptq(const QuantizedTensor& q, int bits, bool version2);

} // namespace qs

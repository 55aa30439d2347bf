// SPDX-License-Identifier: Apache-2.0
// The parts of the `dequantized` exporter that work on an ExportSource: an ordinary Hugging Face folder whose
// quantized linears hold their dequantized values. Every runtime loads it; it saves no memory.
#pragma once

#include "core/export/export_source.h"

namespace qs {

std::vector<LintIssue> lintDequantized(const Model& model, const Plan& plan);
Result<uint64_t> dequantizedBytes(const ExportSource& source);
Result<void> writeDequantized(const ExportSource& source, const std::filesystem::path& into,
                              const JobContext& job);
/// Good when every quantized tensor equals the run's values rounded to the output type, bit for bit, and
/// every other tensor the source's bytes. maxDelta is what that rounding costs; codesDiffering counts codes
/// whose value, rounded, is nearer to another code's.
Result<Receipt> verifyDequantized(const ExportSource& source, const std::filesystem::path& directory,
                                  const JobContext& job);

} // namespace qs

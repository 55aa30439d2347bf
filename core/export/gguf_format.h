// SPDX-License-Identifier: Apache-2.0
// The parts of the `gguf` exporter that work on an ExportSource: one self-contained GGUF file (or the pieces
// of a split one) with a type per tensor, all metadata and the tokenizer.
#pragma once

#include "core/export/export_source.h"

namespace qs {

std::vector<LintIssue> lintGguf(const Model& model, const Plan& plan);
/// Exact size of the files. Unsupported, naming the tensor, when a run's codes have no exact form in the
/// blocks that they are to become: every one is tried.
Result<uint64_t> ggufBytes(const ExportSource& source);
Result<void> writeGgufFolder(const ExportSource& source, const std::filesystem::path& into,
                             const JobContext& job);
/// Good when, read back by the GGUF reader, every quantized value is the run's and every other one the
/// source's in its new type, bit for bit; all stored bytes and keys are as planned; the model that the
/// metadata describe computes the same, and its tokenizer makes the same ids.
Result<Receipt> verifyGguf(const ExportSource& source, const std::filesystem::path& directory,
                           const JobContext& job);

} // namespace qs

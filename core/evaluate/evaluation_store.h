// SPDX-License-Identifier: Apache-2.0
// Evaluations on disk, so that they need not be measured again. HDF5 (see hdf5/h5_file.h):
//   attributes of /   schema = "quantoscope-evaluation", schema_version = 1
//   /meta             JSON: masked_tokens, mask_seed, protocol, source, weights, reference,
//                     weights_fingerprint, reference_fingerprint (null without a reference), app_version,
//                     precision when it is not "f32"
//   /text             int32 [windows, length]
//   /token_at, /token_top                int32 [scored]; /token_nll float32 [scored]
//   /token_kl, /reference_nll float32, /reference_top int32 [scored], with a reference
// What is read has consistent shapes, finite losses, KL >= 0 and positions that ascend within the text, as
// many in every window; means are computed again from the tokens.
#pragma once

#include "core/evaluate/evaluate.h"

namespace qs {

/// Appears under `file` whole or not at all.
Result<void> saveEvaluation(const std::filesystem::path& file, const Evaluation& e);
/// NotFound when there is no such file; Corrupt, naming the place, when it is damaged.
Result<Evaluation> loadEvaluation(const std::filesystem::path& file);

/// Where the evaluation of these weights under this protocol is kept in `folder`:
/// "<weights>-<protocol>.h5", 16 hexadecimal digits of each.
std::filesystem::path evaluationFile(const std::filesystem::path& folder,
                                     const std::string& weightsFingerprint,
                                     const std::string& referenceFingerprint, const TokenWindows& text,
                                     uint64_t maskSeed, Precision precision);
/// The newest readable evaluation of these weights against that reference ("" = none); NotFound when there is
/// none.
Result<Evaluation> newestEvaluation(const std::filesystem::path& folder,
                                    const std::string& weightsFingerprint,
                                    const std::string& referenceFingerprint);

} // namespace qs

// SPDX-License-Identifier: Apache-2.0
// Importance matrices of llama.cpp: for every linear the sum over tokens of the squared inputs, and how many
// tokens those were; for stacked experts one of each. Two formats: GGUF (`general.type` "imatrix", two F32
// tensors per weight, `<weight>.in_sum2` [experts, inputs] and `<weight>.counts` [experts, 1]) and the older
// binary one (i32 entries; each i32 length, name, i32 calls, i32 values, f32 values that are sum2 / count *
// calls; then i32 chunks, i32 length, dataset). Source: tools/imatrix/imatrix.cpp of llama.cpp.
#pragma once

#include "core/calibrate/calibration.h"

namespace qs {

/// One weight as the file names it.
struct ImatrixEntry {
    std::string weight;        ///< "blk.0.attn_q.weight"
    size_t channels = 0;       ///< inputs
    std::vector<float> sum2;   ///< [experts, channels], sum of x^2, at least 0
    std::vector<float> counts; ///< [experts], tokens; 0 for an expert that saw none
    size_t experts() const { return counts.size(); }
};

struct Imatrix {
    std::vector<ImatrixEntry> entries; ///< in the order of the file
    std::vector<std::string> datasets;
    uint32_t chunks = 0, chunkSize = 0; ///< chunkSize: tokens; 0 when the file does not say
};

/// Either format. Hostile input is expected: counts against the bytes that remain, finite values, no entry
/// twice. Error::corrupt names the entry; Unsupported when the file is neither.
Result<Imatrix> readImatrix(const std::filesystem::path& file);

/// The diagonal of Sigma for one module.
struct ModuleImportance {
    std::string module;
    std::vector<double> sum2; ///< [inputs]
    double tokens = 0;
};

/// By this project's names of modules, in the order of the model's targets; linears that are fused in
/// llama.cpp share an entry. A module that the file does not mention is left out. InvalidArgument when an
/// entry has another number of inputs or experts than the model, or none belongs to it.
Result<std::vector<ModuleImportance>> moduleImportance(const Imatrix& imatrix, const Model& model);

/// An importance matrix read for one model. Immutable.
struct ImportanceFile {
    std::filesystem::path file;
    std::string fingerprint; ///< SHA-256 of the file
    std::map<std::string, ModuleImportance> modules;

    /// Errors of readImatrix and moduleImportance.
    static Result<std::shared_ptr<const ImportanceFile>> open(const std::filesystem::path& file,
                                                              const Model& model);
};

/// What a calibration knows, under llama.cpp's names: sum2 from the diagonals of Sigma. Unsupported when
/// llama.cpp has no architecture for the model; InvalidArgument when the calibration is another model's.
Result<Imatrix> imatrixOf(const Calibration& calibration, const Model& model, const JobContext& job);

/// The GGUF form. Appears whole or not at all.
Result<void> writeImatrix(const std::filesystem::path& file, const Imatrix& imatrix);

} // namespace qs

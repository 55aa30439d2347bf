// SPDX-License-Identifier: Apache-2.0
// Activations that another program recorded: an HDF5 file with one array [tokens, channels] per activation
// point, used in place of a calibration text.
#pragma once

#include "core/calibrate/calibration.h"
#include "core/checkpoint/mapped_hdf5.h"

namespace qs {

struct ActivationArray {
    std::string name; ///< of a site or a module, as the mapping decided
    uint64_t tokens = 0;
    size_t channels = 0;
};

struct ActivationStats {
    SiteRecord record;      ///< `site` is the array's name
    uint64_t notFinite = 0; ///< NaN and infinities; left out of the statistics
};

/// Thread-safe.
class ActivationDump {
public:
    /// NotFound when the file has no array with the role activation.
    static Result<std::shared_ptr<const ActivationDump>> open(std::shared_ptr<const MappedHdf5> file);

    const std::filesystem::path& path() const { return file_->path(); }
    const std::vector<ActivationArray>& arrays() const { return arrays_; }

    /// Streams array `index` in blocks of rows.
    Result<void> forEachBlock(size_t index, const std::function<Result<void>(MatrixView)>& visit,
                              const JobContext& job) const;
    /// Channel statistics and the first rows, streamed; memory: one block.
    Result<ActivationStats> measure(size_t index, const JobContext& job) const;
    /// SHA-256 of the file.
    Result<std::string> fingerprint() const;

private:
    std::shared_ptr<const MappedHdf5> file_;
    std::vector<ActivationArray> arrays_;
    std::vector<const H5MappedArray*> mapped_; // into *file_
};

/// What an HDF5 file is for a model that is open.
enum class Hdf5Kind { Calibration, Activations, Weights };
/// Looked at by the process that reads foreign files. A file with weights and activations counts as weights.
Result<Hdf5Kind> hdf5Kind(const std::filesystem::path& path);

/// A calibration made from a dump.
struct DumpCalibration {
    std::shared_ptr<const Calibration> calibration;
    std::vector<std::string> unused; ///< arrays that belong to no site, or to one that another array gave
    std::vector<std::string> missingSites; ///< sites of the model without an array
};

/// Statistics and Sigma of every site of the model that the dump has, as a calibration file that methods use
/// like one made from a text. Its tokens are empty, so a run cannot recompute inputs behind quantized blocks:
/// every block is quantized against the recorded ones. An array is matched by its name: a site
/// ("layers.0.attn"), a linear ("layers.0.self_attn.q_proj": its input) or the linear's stored name. Errors:
/// no match at all, another number of channels than the linear has inputs, values that are not finite, a
/// model that is open at tensor level. Memory: one Sigma and one block of rows.
Result<DumpCalibration> calibrateFromActivations(const ActivationDump& dump, const Model& model,
                                                 const CalibrateOptions& options,
                                                 const std::filesystem::path& file, Backend& backend,
                                                 const JobContext& job);

} // namespace qs

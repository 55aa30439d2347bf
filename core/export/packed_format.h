// SPDX-License-Identifier: Apache-2.0
// Exports in which a quantized linear becomes a few tensors of packed codes (GPTQ, AWQ, compressed-tensors,
// FP8, bitsandbytes). What a layout stores is a PackedFormat; sizes, writing and the check of what was
// written are shared.
#pragma once

#include "core/codec/levels.h"
#include "core/export/export_source.h"

#include <array>
#include <nlohmann/json_fwd.hpp>
#include <numeric>

namespace qs {

/// One of the tensors that a linear X becomes.
struct PackedPart {
    std::string suffix; ///< X's tensor is named X + suffix
    DType type = DType::I32;
    std::vector<uint64_t> shape;
    /// Not of the weight but of what goes through it (input_scale): readers leave it aside, so that its bytes
    /// are what is checked.
    bool ofInputs = false;
};

/// How a file counts: code c is stored as code[c], a zero point z as z - zeroShift.
struct StoredCodes {
    std::array<int16_t, 256> code;
    float zeroShift = 0;
    StoredCodes() { std::iota(code.begin(), code.end(), int16_t(0)); }
    /// Bit patterns of small floats.
    explicit StoredCodes(const SmallFloat& format);
};

using PackedBytes = std::vector<std::vector<std::byte>>;

/// One layout with what it has learned about one run. Used on one thread.
class PackedFormat {
public:
    virtual ~PackedFormat() = default;
    /// PackedInfo::layout of what it writes for a tensor.
    virtual const char* layout(const QuantTarget& target, const Codec& codec) const = 0;
    /// A file beside config.json that repeats config(); nullptr for none.
    virtual const char* configFile() const { return nullptr; }

    /// Shown every quantized tensor, in the order of the plan, before the first byte is written. Unsupported
    /// when the layout cannot hold it exactly.
    virtual Result<void> add(size_t entry, const QuantizedTensor& q) = 0;
    /// quantization_config of config.json, once all were added.
    virtual nlohmann::ordered_json config() const = 0;

    /// The same for every tensor of this shape and codec.
    virtual Result<std::vector<PackedPart>> parts(const QuantTarget& target, const Codec& codec) const = 0;
    /// The bytes of these parts, in their order. InvalidArgument when a value does not fit.
    virtual Result<PackedBytes> pack(const QuantTarget& target, const QuantizedTensor& q,
                                     const Codec& codec) const = 0;
    /// What its codes and zero points become in the file, as PackedLinear reads it.
    virtual StoredCodes stored(const QuantTarget&, const Codec&) const { return {}; }
};

/// The source must outlive the format.
using MakePackedFormat = std::unique_ptr<PackedFormat> (*)(const ExportSource& source);

/// Exact size of the weight files.
Result<uint64_t> packedBytes(const ExportSource& source, MakePackedFormat make);
Result<void> writePacked(const ExportSource& source, MakePackedFormat make, const std::filesystem::path& into,
                         const JobContext& job);
/// Good when every code, scale, zero point and group index read back equals the run's, every other tensor
/// equals the source's bytes, and config.json is the source's plus what the tensors say.
Result<Receipt> verifyPacked(const ExportSource& source, MakePackedFormat make,
                             const std::filesystem::path& directory, const JobContext& job);

/// What an exporter that is a PackedFormat does with its source.
template<MakePackedFormat make>
struct PackedFunctions {
    static Result<uint64_t> bytes(const ExportSource& source) { return packedBytes(source, make); }
    static Result<void> write(const ExportSource& source, const std::filesystem::path& into,
                              const JobContext& job) {
        return writePacked(source, make, into, job);
    }
    static Result<Receipt> verify(const ExportSource& source, const std::filesystem::path& directory,
                                  const JobContext& job) {
        return verifyPacked(source, make, directory, job);
    }
};
template<const ExporterDescriptor& (*Self)(), MakePackedFormat make>
void exportAs(ExporterDescriptor& d) {
    using Of = PackedFunctions<make>;
    exportBy<Self, Of::bytes, Of::write, Of::verify>(d);
}

// --- What the layouts share ---

/// Tensor name without ".weight": X above.
std::string linearPrefix(const QuantTarget& target);

/// What a config says about a linear on an integer grid.
struct IntSetting {
    int bits = 4;
    long long groupSize = -1; ///< -1: one group per row
    bool symmetric = true;    ///< every zero point is 2^(bits - 1)
    bool actOrder = false;    ///< group indices are not in column order
    bool operator==(const IntSetting&) const = default;
};
/// Unsupported when a scale is not a value of `scaleType`, or a zero point not an integer of `bits`.
Result<IntSetting> intSettingOf(const PlanEntry& entry, const QuantizedTensor& q, DType scaleType);
/// Whether the groups lie in the order of the columns.
bool columnsInOrder(const QuantizedTensor& q);
/// The setting that most linears have; the first of equals.
IntSetting commonSetting(const std::vector<std::optional<IntSetting>>& settings);

/// Regular expression for exactly the linears `targets` of one parent module and the name that runtimes fuse
/// them under, if any ("^model\.layers\.0\.self_attn\.(?:q_proj|k_proj|v_proj|qkv_proj)$").
std::string modulePattern(const std::vector<const QuantTarget*>& targets);

/// Modules with a matrix that stays as it is, by the prefixes of their tensors, but the token embedding; what
/// "ignore" lists of configs name. With a tied head "lm_head" is one of them.
std::vector<std::string> keptModules(const Model& model, const Plan& plan);

/// Entries whose linears runtimes fuse stand together, all others alone; in the order of the plan.
std::vector<std::vector<size_t>> fusedSets(const Plan& plan);

/// Values as stored: of [out, groups] parameters the element at (row, group), a single row serving all.
inline float parameterAt(const Matrix& m, size_t row, size_t group) {
    return m(m.rows() == 1 ? 0 : row, group);
}
/// Scales [scaleRows, groups] as stored in `type`, which holds each of them exactly.
Result<std::vector<std::byte>> scaleBytes(const Matrix& scale, DType type);
template<class T>
std::vector<std::byte> bytesOf(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
}

} // namespace qs

// SPDX-License-Identifier: Apache-2.0
// The ways in which compressed-tensors stores a linear ("formats" of its config), each for some codecs.
// Readers: core/model/packed/ct_*.cpp and float8.cpp.
#pragma once

#include "core/export/packed_format.h"

#include <nlohmann/json.hpp>

namespace qs {

/// How runtimes scale the inputs of a linear that its scheme rounds.
enum class CtInputs {
    Keep,    ///< as they are
    Dynamic, ///< with scales that the runtime finds, per token or block
    Static,  ///< with one from the calibration
};

class CtLayout {
public:
    virtual ~CtLayout() = default;
    virtual const char* layout() const = 0; ///< PackedInfo::layout
    virtual const char* format() const = 0; ///< "pack-quantized"
    /// "weights" of the config group.
    virtual nlohmann::ordered_json weights(const Codec& codec) const = 0;
    /// Unsupported when the layout cannot hold the tensor exactly.
    virtual Result<void> check(const PlanEntry& entry, const QuantizedTensor& q,
                               const Codec& codec) const = 0;
    /// Whether runtimes multiply such inputs with these weights.
    virtual bool takesInputs(const InputScheme& inputs, const Codec& codec) const = 0;
    /// "input_activations" of the config group: null for Keep, else what comes nearest to `how` among what
    /// the layout allows. "dynamic" says whether it needs a part of its own.
    virtual nlohmann::ordered_json inputs(CtInputs how, const Codec& codec) const = 0;
    /// The name of that part, and its value for inputs up to `largest`.
    virtual const char* inputPart() const { return ".input_scale"; }
    virtual float inputScale(float) const { return 1; }

    /// Parts of the weight.
    virtual Result<std::vector<PackedPart>> parts(const QuantTarget& target, const Codec& codec) const = 0;
    virtual Result<PackedBytes> pack(const QuantizedTensor& q, const Codec& codec) const = 0;
    virtual StoredCodes stored(const Codec&) const { return {}; }
};

/// The layout for weights of a codec whose inputs are rounded so (null: not); nullptr when there is none.
const CtLayout* ctLayoutFor(const Codec& codec, const InputScheme* inputs);
/// "pack-quantized", and "int-quantized": 8-bit integers that are multiplied as such. See ctLayoutFor.
const CtLayout& ctPack();
const CtLayout& ctInt8();

/// A config group without targets.
nlohmann::ordered_json ctGroup(const CtLayout& layout, const Codec& codec, CtInputs inputs);
/// quantization_config for `groups`, one per entry of the plan (null: kept); equal ones become one. Targets
/// are named one by one: a catch-all would claim linears that are kept.
nlohmann::ordered_json ctConfig(const Model& model, const Plan& plan,
                                const std::vector<nlohmann::ordered_json>& groups);

/// Entry of a config group with the fields that runtimes want, in their order.
nlohmann::ordered_json ctArguments(int bits, const char* type, bool symmetric, const char* strategy,
                                   nlohmann::ordered_json groupSize);
/// The same for inputs: {"dynamic": ..} and no observer when the runtime finds the scale.
nlohmann::ordered_json ctInputArguments(int bits, const char* type, CtInputs how, const char* dynamicStrategy,
                                        nlohmann::ordered_json groupSize = nullptr);

} // namespace qs

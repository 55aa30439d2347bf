// SPDX-License-Identifier: Apache-2.0
// What a checkpoint says about its packed weights: quantization_config of config.json (compression_config of
// old compressed-tensors), else quantize_config.json (AutoGPTQ) or quant_config.json (AutoAWQ).
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/model/packed/name_rules.h"

#include <array>
#include <optional>
#include <variant>

namespace qs {

class SettingsReader;

/// AutoGPTQ and GPTQModel.
struct GptqSettings {
    struct Grid {
        int bits = 0;             ///< 2 .. 8
        long long groupSize = -1; ///< -1: one group
        std::optional<bool> symmetric;
    };
    /// One entry of `dynamic`, in file order; the first whose pattern matches decides.
    struct Rule {
        std::string text; ///< key as written
        StartPattern pattern;
        bool skip = false; ///< "-:": the module is not quantized
        Grid grid;
    };
    Grid grid;
    bool zeroMinusOne = true; ///< checkpoint_format "gptq" (v1)
    std::vector<Rule> rules;

    /// What holds for a module. Corrupt when a rule says that it is not quantized.
    Result<Grid> gridOf(const std::string& module, const std::string& where) const;
};

/// AutoAWQ, layout "gemm", 4 bits.
struct AwqSettings {
    long long groupSize = -1;
    std::vector<std::string> skip; ///< modules_to_not_convert
};

/// compressed-tensors.
struct CtSettings {
    struct Weights {
        int bits = 0; ///< 1 .. 8
        bool floating = false, symmetric = true;
        std::string strategy;                 ///< "tensor", "channel", "group", "block" or "tensor_group"
        long long groupSize = 0;              ///< of "group" and "tensor_group"
        std::array<size_t, 2> block = {0, 0}; ///< of "block"
    };
    /// input_activations: how the runtime rounds what these weights are multiplied with.
    struct Inputs {
        enum class Scales {
            Static,  ///< from the checkpoint
            Dynamic, ///< found at run time
            Local,   ///< of groups found at run time, against one of the checkpoint
        };
        int bits = 0; ///< 1 .. 16
        bool floating = false, symmetric = true;
        Scales scales = Scales::Static;
        std::string strategy;    ///< "token", "tensor", "group", "tensor_group" or another
        long long groupSize = 0; ///< of groups
    };
    struct Group {
        std::string name;
        NameTargets targets;
        Weights weights;
        std::string format; ///< "" or "mixed-precision" when it does not say
        std::optional<Inputs> inputs;
        bool roundsOutputs = false; ///< output_activations
    };
    std::vector<Group> groups; ///< those that quantize weights
    NameTargets ignore;
    /// Written before version 0.17, which packed 3, 5, 6 and 7 bits with padding.
    bool beforeDense = false;

    /// The group that decides: exact names before expressions before class names, else file order. Corrupt
    /// when none does, or when the module is to be ignored.
    Result<const Group*> groupOf(const std::string& module, const std::string& where) const;
};

/// bitsandbytes.
struct BnbSettings {
    std::string quantType;           ///< bnb_4bit_quant_type
    std::optional<bool> doubleQuant; ///< bnb_4bit_use_double_quant
    std::vector<std::string> skip;   ///< llm_int8_skip_modules
};

/// quant_method "fp8" of transformers and vLLM.
struct Fp8Settings {
    std::optional<std::array<size_t, 2>> block; ///< weight_block_size
    bool staticInputs = false;                  ///< activation_scheme "static"; "dynamic" is the default
    std::vector<std::string> skip;              ///< modules_to_not_convert
};

struct PackedSettings {
    std::string where;      ///< "config.json: quantization_config"
    std::string methodName; ///< quant_method
    std::variant<GptqSettings, AwqSettings, CtSettings, BnbSettings, Fp8Settings> method;
};

/// NotFound when the checkpoint has no settings; Unsupported for methods and variants that are not read, with
/// the reason; Corrupt for wrong types and values.
Result<PackedSettings> readPackedSettings(const Checkpoint& checkpoint);

/// The parts that belong to one method.
Result<CtSettings> readCtSettings(const SettingsReader& object);
Result<GptqSettings> readGptqSettings(const SettingsReader& object);

} // namespace qs

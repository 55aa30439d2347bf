// SPDX-License-Identifier: Apache-2.0
// What llama.cpp calls the tensors of each architecture, what Hugging Face calls them, and what the
// conversion did to them. Sources: gguf-py's tensor_mapping.py and the conversion scripts of llama.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace qs {

/// What the conversion did, and what has to be undone when a tensor is presented.
enum class GgufChange : uint8_t {
    None,
    RopeQuery,  ///< rows of q heads in rotary pairs
    RopeKey,    ///< rows of k heads in rotary pairs
    FusedQkv,   ///< q, k, v of all heads apart, instead of per head
    Transposed, ///< [out, in] instead of Conv1D's [in, out]; weights only
    PlusOne,    ///< the weight of a norm has 1 added
    Experts,    ///< the experts' matrices stacked; the second {} of the name is the expert
    HeadNorms,  ///< one vector per head stacked; the second {} of the name is the head
    RowVector   ///< [1, n] stored as a vector
};

/// `gguf` and `hf` stand before ".weight" or ".bias"; {} is a number, in `hf` the same as in `gguf`.
struct GgufName {
    std::string_view gguf, hf;
    GgufChange change = GgufChange::None;
};

enum class GgufFamily : uint8_t {
    Llama,
    Qwen,
    QwenMoe,
    Gemma,
    Phi3,
    Gpt2,
    GptNeoX,
    Bloom,
    Falcon,
    StableLm,
    Bert
};

struct GgufArchitecture {
    std::string_view id;                        ///< general.architecture
    std::string_view className;                 ///< config.json `architectures`
    std::string_view modelType;                 ///< config.json `model_type`
    GgufFamily family;                          ///< how the config is made
    std::span<const GgufName> names, moreNames; ///< the first that fits
};

std::span<const GgufArchitecture> ggufArchitectures();
/// nullptr when unknown. `secondAttentionNorm`: the file holds blk.0.attn_norm_2 (Falcon 40B).
const GgufArchitecture* ggufArchitecture(std::string_view id, bool secondAttentionNorm);
/// The other way: by config.json's `model_type` ("mixtral" goes into "llama", "gemma3" into "gemma3");
/// nullptr when llama.cpp has none that computes the same.
const GgufArchitecture* ggufArchitectureOfModel(std::string_view modelType, bool secondAttentionNorm);

/// The numbers of a name that fits a pattern.
struct GgufNumbers {
    uint64_t value[2] = {};
    int count = 0;
};
/// True when `text` is `pattern` with a decimal number (no sign, no leading zero) in place of each {}.
bool matchGgufName(std::string_view pattern, std::string_view text, GgufNumbers& numbers);
/// The pattern with its numbers put in; `second` is used where `numbers` has only one.
std::string fillGgufName(std::string_view pattern, const GgufNumbers& numbers, uint64_t second = 0);

/// The rule for a name of the file, without ".weight"; nullptr when there is none.
const GgufName* ggufRule(const GgufArchitecture& architecture, std::string_view stem, GgufNumbers& numbers);
/// The rule for a name of Hugging Face's, without ".weight". Checkpoints differ in what stands in front
/// ("model.", nothing, "language_model.model.", "bert."): any of these is accepted.
const GgufName* ggufRuleOfHf(const GgufArchitecture& architecture, std::string_view stem,
                             GgufNumbers& numbers);

} // namespace qs

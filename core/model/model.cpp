// SPDX-License-Identifier: Apache-2.0
#include "core/model/model.h"

#include "core/model/architecture.h"
#include "core/model/packed/packed_linear.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

namespace qs {

std::vector<double> RopeSpec::inverseFrequencies(size_t headDim) const {
    std::vector<double> f(headDim / 2);
    for (size_t i = 0; i < f.size(); ++i)
        f[i] = std::pow(theta, -2.0 * double(i) / double(headDim));
    if (scaling == Scaling::Linear)
        for (double& v : f)
            v /= factor;
    if (scaling == Scaling::Llama3) {
        // Long wavelengths are stretched, short ones kept, those between blended (Llama 3.1 reference).
        const double longest = originalContext / lowFrequencyFactor,
                     shortest = originalContext / highFrequencyFactor;
        for (double& v : f) {
            const double wavelength = 2.0 * std::numbers::pi / v;
            if (wavelength > longest) {
                v /= factor;
            } else if (wavelength >= shortest) {
                const double s = (originalContext / wavelength - lowFrequencyFactor) /
                                 (highFrequencyFactor - lowFrequencyFactor);
                v = (1.0 - s) * v / factor + s * v;
            }
        }
    }
    return f;
}

namespace {

constexpr std::string_view kWeight = ".weight";

/// The packed weight behind tensor name `weight`; nullptr when it is plain.
Result<std::shared_ptr<const PackedInfo>> packedInfo(const PackedReader& packed, const std::string& weight) {
    std::shared_ptr<const PackedInfo> info;
    if (!weight.ends_with(kWeight)) return info;
    QS_TRY(const auto linear, packed.find(weight.substr(0, weight.size() - kWeight.size())));
    if (linear) info = std::make_shared<const PackedInfo>(linear->info());
    return info;
}

std::vector<QuantTarget> targetsOfSpec(const Checkpoint& checkpoint, const PackedReader& packed,
                                       const ModelSpec& spec) {
    std::vector<QuantTarget> out;
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (const LinearSpec* l : spec.blocks[b].linears()) {
            QuantTarget t{l->module, l->weight,    checkpoint.find(l->weight), l->out, l->in, int(b), l->role,
                          l->site,   l->fusedGroup};
            if (auto info = packedInfo(packed, l->weight)) t.packed = std::move(*info);
            if (t.packed) t.tensorIndex = Checkpoint::npos;
            out.push_back(std::move(t));
        }
    return out;
}

/// Packed modules by the index of their first part. The first damaged one is told in `problem`: its parts are
/// nothing that could be quantized. Settings that are not understood fail for all: the search ends there.
std::map<size_t, QuantTarget> packedTargets(const PackedReader& packed, std::string& problem) {
    std::map<size_t, QuantTarget> out;
    for (const std::string& module : packed.modules()) {
        const std::string weight = module + std::string(kWeight);
        auto info = packedInfo(packed, weight);
        if (!info) {
            if (problem.empty()) problem = info.error().describe();
            if (info.error().code == ErrorCode::Unsupported) break;
            continue;
        }
        const PackedInfo& p = **info;
        const size_t first = *std::min_element(p.tensors.begin(), p.tensors.end());
        out[first] = {module, weight, Checkpoint::npos, p.out, p.in, -1, "", "", "", *info};
    }
    return out;
}

// Without an architecture, what is packed, and what looks like a linear's weight: floating, rank 2, both
// sides above 1, and not an embedding by name.
std::vector<QuantTarget> targetsOfTensors(const Checkpoint& checkpoint, const PackedReader& packed,
                                          std::string& problem) {
    std::vector<QuantTarget> out;
    std::map<size_t, QuantTarget> packedAt = packedTargets(packed, problem);
    const std::vector<std::string> modules = packed.modules();
    const std::set<std::string> packedModules(modules.begin(), modules.end());
    const auto isPart = [&](const std::string& name) {
        const size_t dot = name.rfind('.');
        return dot != std::string::npos && packedModules.count(name.substr(0, dot)) != 0;
    };
    for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
        if (const auto it = packedAt.find(i); it != packedAt.end()) out.push_back(std::move(it->second));
        const TensorInfo& t = checkpoint.tensors()[i];
        if (isPart(t.name) || t.shape.size() != 2 || t.shape[0] < 2 || t.shape[1] < 2 ||
            !convertibleToFloat(t.dtype))
            continue;
        bool embedding = false;
        for (const char* word : {"embed", "wte", "wpe", "lm_head"})
            embedding = embedding || t.name.find(word) != std::string::npos;
        if (embedding) continue;
        std::string module = t.name;
        if (module.ends_with(kWeight)) module.resize(module.size() - kWeight.size());
        out.push_back({module, t.name, i, size_t(t.shape[0]), size_t(t.shape[1]), -1, "", "", ""});
    }
    return out;
}

} // namespace

Model::Model(std::shared_ptr<const Checkpoint> checkpoint, std::optional<ModelSpec> spec,
             std::string noForwardReason, std::shared_ptr<const Tokenizer> tokenizer,
             std::string noTokenizerReason)
    : checkpoint_(std::move(checkpoint))
    , packed_(std::make_shared<const PackedReader>(*checkpoint_))
    , spec_(std::move(spec))
    , noForwardReason_(std::move(noForwardReason))
    , noTokenizerReason_(std::move(noTokenizerReason))
    , tokenizer_(std::move(tokenizer)) {
    std::string problem;
    targets_ = spec_ ? targetsOfSpec(*checkpoint_, *packed_, *spec_)
                     : targetsOfTensors(*checkpoint_, *packed_, problem);
    if (!problem.empty() && noForwardReason_.find(problem) == std::string::npos)
        noForwardReason_ += "; " + problem;
}

const QuantTarget* Model::findTarget(const std::string& module) const {
    for (const QuantTarget& t : targets_)
        if (t.module == module) return &t;
    return nullptr;
}

Result<void> Model::requireForward() const {
    if (hasForward()) return {};
    return Error::unsupported("the model is open at tensor level, so it cannot be run: " + noForwardReason_,
                              checkpoint_->root().string());
}

Result<void> Model::requireTokenizer() const {
    if (tokenizer_) return {};
    return Error::unsupported("text cannot be read: " + noTokenizerReason_, checkpoint_->root().string());
}

Result<std::shared_ptr<const Model>> openModel(const std::filesystem::path& asked) {
    // A weight file picked or dropped from inside a model folder means the model: its config lies beside it.
    std::filesystem::path path = asked;
    std::error_code ec;
    if (asked.filename() == "model.safetensors" &&
        std::filesystem::exists(asked.parent_path() / "config.json", ec))
        path = asked.parent_path();
    QS_TRY(auto checkpoint, openCheckpoint(path));
    std::optional<ModelSpec> spec;
    std::string noForward, noTokenizer;
    if (auto architecture = architectureFor(*checkpoint); !architecture) {
        noForward = architecture.error().describe();
    } else if (auto resolved = (*architecture)->resolve(*checkpoint); !resolved) {
        noForward = resolved.error().describe();
    } else {
        spec = std::move(*resolved);
    }
    std::shared_ptr<const Tokenizer> tokenizer;
    const auto folder = std::filesystem::is_directory(path) ? path : path.parent_path();
    if (auto loaded = loadTokenizer(folder); !loaded)
        noTokenizer = loaded.error().describe();
    else
        tokenizer = std::move(*loaded);
    return std::make_shared<const Model>(std::move(checkpoint), std::move(spec), std::move(noForward),
                                         std::move(tokenizer), std::move(noTokenizer));
}

} // namespace qs

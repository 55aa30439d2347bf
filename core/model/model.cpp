// SPDX-License-Identifier: Apache-2.0
#include "core/model/model.h"

#include "core/model/architecture.h"
#include "core/model/gguf_tokenizer.h"

#include <cmath>
#include <numbers>

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

std::vector<QuantTarget> targetsOfSpec(const Checkpoint& checkpoint, const ModelSpec& spec) {
    std::vector<QuantTarget> out;
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (const LinearSpec* l : spec.blocks[b].linears())
            out.push_back({l->module, l->weight, checkpoint.find(l->weight), l->out, l->in, int(b), l->role,
                           l->site, l->fusedGroup});
    return out;
}

bool endsWith(const std::string& text, const std::string& tail) {
    return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

// Without an architecture, what looks like a linear's weight: floating, rank 2, both sides above 1, and not
// an embedding by name.
std::vector<QuantTarget> targetsOfTensors(const Checkpoint& checkpoint) {
    std::vector<QuantTarget> out;
    for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
        const TensorInfo& t = checkpoint.tensors()[i];
        if (t.shape.size() != 2 || t.shape[0] < 2 || t.shape[1] < 2 || !t.readable()) continue;
        bool embedding = false;
        for (const char* word : {"embed", "wte", "wpe", "lm_head", "token_embd", "position_embd"})
            embedding = embedding || t.name.find(word) != std::string::npos;
        if (embedding) continue;
        std::string module = t.name;
        if (endsWith(module, ".weight")) module.resize(module.size() - 7);
        out.push_back({module, t.name, i, size_t(t.shape[0]), size_t(t.shape[1]), -1, "", "", ""});
    }
    return out;
}

// A GGUF file carries its vocabulary; elsewhere it lies beside the weights.
Result<std::shared_ptr<const Tokenizer>> tokenizerOf(const Checkpoint& checkpoint,
                                                     const std::filesystem::path& path) {
    if (const GgufMetadata* metadata = checkpoint.ggufMetadata()) {
        QS_TRY(text::GgufVocabulary vocabulary, ggufVocabulary(*metadata));
        return text::tokenizerFromGguf(std::move(vocabulary));
    }
    return loadTokenizer(std::filesystem::is_directory(path) ? path : path.parent_path());
}

} // namespace

Model::Model(std::shared_ptr<const Checkpoint> checkpoint, std::optional<ModelSpec> spec,
             std::string noForwardReason, std::shared_ptr<const Tokenizer> tokenizer,
             std::string noTokenizerReason)
    : checkpoint_(std::move(checkpoint))
    , spec_(std::move(spec))
    , noForwardReason_(std::move(noForwardReason))
    , noTokenizerReason_(std::move(noTokenizerReason))
    , tokenizer_(std::move(tokenizer)) {
    targets_ = spec_ ? targetsOfSpec(*checkpoint_, *spec_) : targetsOfTensors(*checkpoint_);
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
    if (auto loaded = tokenizerOf(*checkpoint, path); !loaded)
        noTokenizer = loaded.error().describe();
    else
        tokenizer = std::move(*loaded);
    return std::make_shared<const Model>(std::move(checkpoint), std::move(spec), std::move(noForward),
                                         std::move(tokenizer), std::move(noTokenizer));
}

} // namespace qs

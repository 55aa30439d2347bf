// SPDX-License-Identifier: Apache-2.0
#include "core/model/model.h"

#include "core/model/architecture.h"
#include "core/model/gguf_tokenizer.h"
#include "core/model/packed/packed_linear.h"
#include "core/text/loaders.h"

#include <algorithm>
#include <map>
#include <set>

namespace qs {

namespace {

constexpr std::string_view kWeight = ".weight";

/// The packed linear behind a place; nullptr when it is stored plainly.
Result<std::shared_ptr<const PackedInfo>> packedInfo(const PackedReader& packed, const std::string& module) {
    std::shared_ptr<const PackedInfo> info;
    QS_TRY(const auto linear, packed.find(module));
    if (linear) info = std::make_shared<const PackedInfo>(linear->info());
    return info;
}

std::vector<QuantTarget> targetsOfSpec(const PackedReader& packed, const ModelSpec& spec) {
    std::vector<QuantTarget> out;
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (const LinearSpec* l : spec.blocks[b].linears()) {
            QuantTarget t{l->module, l->weight, l->place, l->out,       l->in,
                          int(b),    l->role,   l->site,  l->fusedGroup};
            // Found before, when the architecture was resolved.
            if (l->place.kind == WeightPlace::Kind::Packed)
                if (auto info = packedInfo(packed, l->place.tensor)) t.packed = std::move(*info);
            out.push_back(std::move(t));
        }
    return out;
}

/// -1 when the vocabulary does not hold it.
int idOfPiece(const Tokenizer& tokenizer, const std::string& piece) {
    for (int id = 0; id < tokenizer.vocabularySize(); ++id)
        if (tokenizer.piece(id) == piece) return id;
    return -1;
}

/// Packed modules by the index of their first part. The first damaged one is told in `problem`: its parts are
/// nothing that could be quantized. Settings that are not understood fail for all: the search ends there.
std::map<size_t, QuantTarget> packedTargets(const PackedReader& packed, std::string& problem) {
    std::map<size_t, QuantTarget> out;
    for (const std::string& module : packed.modules()) {
        auto info = packedInfo(packed, module);
        if (!info) {
            if (problem.empty()) problem = info.error().describe();
            if (info.error().code == ErrorCode::Unsupported) break;
            continue;
        }
        const PackedInfo& p = **info;
        const size_t first = *std::min_element(p.tensors.begin(), p.tensors.end());
        const WeightPlace place{.kind = WeightPlace::Kind::Packed, .tensor = module};
        out[first] = {module, module + std::string(kWeight), place, p.out, p.in, -1, "", "", "", *info};
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
        if (isPart(t.name) || t.shape.size() != 2 || t.shape[0] < 2 || t.shape[1] < 2 || !t.readable())
            continue;
        bool embedding = false;
        for (const char* word : {"embed", "wte", "wpe", "lm_head", "token_embd", "position_embd"})
            embedding = embedding || t.name.find(word) != std::string::npos;
        if (embedding) continue;
        std::string module = t.name;
        if (module.ends_with(kWeight)) module.resize(module.size() - kWeight.size());
        const WeightPlace place{
            .kind = WeightPlace::Kind::Stored, .tensor = t.name, .index = i, .transposed = false, .rows = {}};
        out.push_back({module, t.name, place, size_t(t.shape[0]), size_t(t.shape[1]), -1, "", "", ""});
    }
    return out;
}

uint64_t countParameters(const Checkpoint& checkpoint, const PackedReader& packed) {
    uint64_t count = checkpoint.totalElements();
    for (const std::string& module : packed.modules()) {
        const auto info = packedInfo(packed, module);
        if (!info || !*info) continue;
        for (const size_t part : (*info)->tensors)
            count -= checkpoint.tensors()[part].elements();
        count += uint64_t((*info)->out) * (*info)->in;
    }
    return count;
}

// A GGUF file carries its vocabulary, an exported HDF5 file its files; elsewhere they lie beside the weights.
Result<std::shared_ptr<const Tokenizer>> tokenizerOf(const Checkpoint& checkpoint) {
    if (const GgufMetadata* metadata = checkpoint.ggufMetadata()) {
        QS_TRY(text::GgufVocabulary vocabulary, ggufVocabulary(*metadata));
        return text::tokenizerFromGguf(std::move(vocabulary));
    }
    const std::filesystem::path& root = checkpoint.root();
    if (const NamedFiles* files = checkpoint.carriedFiles())
        return text::tokenizerAmong(*files, root.string());
    std::error_code ec;
    return loadTokenizer(std::filesystem::is_directory(root, ec) ? root : root.parent_path());
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
    parameterCount_ = countParameters(*checkpoint_, *packed_);
    std::string problem;
    targets_ = spec_ ? targetsOfSpec(*packed_, *spec_) : targetsOfTensors(*checkpoint_, *packed_, problem);
    if (!problem.empty() && noForwardReason_.find(problem) == std::string::npos)
        noForwardReason_ += "; " + problem;
}

const QuantTarget* Model::findTarget(const std::string& module) const {
    for (const QuantTarget& t : targets_)
        if (t.module == module) return &t;
    return nullptr;
}

Result<void> Model::readTargetRows(const QuantTarget& target, uint64_t firstRow, MatrixView out) const {
    return readPlaceRows(*packed_, target.place, firstRow, out);
}

Result<Matrix> Model::readTarget(const QuantTarget& target) const {
    return readPlace(*packed_, target.place);
}

uint64_t Model::storedBytes(const QuantTarget& target) const {
    if (target.packed) return target.packed->storedBytes / target.packed->out * target.rows;
    const TensorInfo& t = checkpoint_->tensors()[target.place.index];
    if (target.place.whole()) return t.bytes;
    // Every output of the tensor takes the same bytes.
    const uint64_t outputs = target.place.transposed ? t.cols() : t.rows();
    return t.bytes / outputs * target.rows;
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

Result<std::shared_ptr<const Model>> openModel(std::shared_ptr<const Checkpoint> checkpoint) {
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
    if (auto loaded = tokenizerOf(*checkpoint); !loaded)
        noTokenizer = loaded.error().describe();
    else
        tokenizer = std::move(*loaded);
    if (spec && !spec->causal && tokenizer) spec->maskToken = idOfPiece(*tokenizer, "[MASK]");
    return std::make_shared<const Model>(std::move(checkpoint), std::move(spec), std::move(noForward),
                                         std::move(tokenizer), std::move(noTokenizer));
}

Result<std::shared_ptr<const Model>> openModel(const std::filesystem::path& asked) {
    // A weight file picked or dropped from inside a model folder means the model: its config lies beside it.
    std::filesystem::path path = asked;
    std::error_code ec;
    const bool named = asked.filename() == "model.safetensors" || asked.filename() == "pytorch_model.bin";
    if (named && std::filesystem::exists(asked.parent_path() / "config.json", ec)) path = asked.parent_path();
    QS_TRY(auto checkpoint, openCheckpoint(path));
    return openModel(std::move(checkpoint));
}

} // namespace qs

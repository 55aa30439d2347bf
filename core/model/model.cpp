// SPDX-License-Identifier: Apache-2.0
#include "core/model/model.h"

#include "core/model/architecture.h"
#include "core/model/gguf_tokenizer.h"

namespace qs {

namespace {

std::vector<QuantTarget> targetsOfSpec(const ModelSpec& spec) {
    std::vector<QuantTarget> out;
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (const LinearSpec* l : spec.blocks[b].linears())
            out.push_back(
                {l->module, l->weight, l->place, l->out, l->in, int(b), l->role, l->site, l->fusedGroup});
    return out;
}

/// -1 when the vocabulary does not hold it.
int idOfPiece(const Tokenizer& tokenizer, const std::string& piece) {
    for (int id = 0; id < tokenizer.vocabularySize(); ++id)
        if (tokenizer.piece(id) == piece) return id;
    return -1;
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
        const WeightPlace place{
            .kind = WeightPlace::Kind::Stored, .tensor = t.name, .index = i, .transposed = false, .rows = {}};
        out.push_back({module, t.name, place, size_t(t.shape[0]), size_t(t.shape[1]), -1, "", "", ""});
    }
    return out;
}

// A GGUF file carries its vocabulary; elsewhere it lies beside the weights.
Result<std::shared_ptr<const Tokenizer>> tokenizerOf(const Checkpoint& checkpoint) {
    if (const GgufMetadata* metadata = checkpoint.ggufMetadata()) {
        QS_TRY(text::GgufVocabulary vocabulary, ggufVocabulary(*metadata));
        return text::tokenizerFromGguf(std::move(vocabulary));
    }
    const std::filesystem::path& root = checkpoint.root();
    std::error_code ec;
    return loadTokenizer(std::filesystem::is_directory(root, ec) ? root : root.parent_path());
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
    targets_ = spec_ ? targetsOfSpec(*spec_) : targetsOfTensors(*checkpoint_);
}

const QuantTarget* Model::findTarget(const std::string& module) const {
    for (const QuantTarget& t : targets_)
        if (t.module == module) return &t;
    return nullptr;
}

Result<void> Model::readTargetRows(const QuantTarget& target, uint64_t firstRow, MatrixView out) const {
    return readPlaceRows(*checkpoint_, target.place, firstRow, out);
}

Result<Matrix> Model::readTarget(const QuantTarget& target) const {
    return readPlace(*checkpoint_, target.place);
}

uint64_t Model::storedBytes(const QuantTarget& target) const {
    if (target.place.kind != WeightPlace::Kind::Stored) return uint64_t(target.rows) * target.cols * 2;
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

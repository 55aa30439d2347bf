// SPDX-License-Identifier: Apache-2.0
// One model's hidden states over a text, a block at a time; several of them advance side by side.
#pragma once

#include "core/evaluate/hidden_cache.h"
#include "core/model/weights.h"

namespace qs {

/// Not thread-safe (the backend is not). `spec` and `weights` must live as long.
class ModelStream {
public:
    /// `budget`: activations above this many bytes go to a scratch file.
    static Result<ModelStream> create(const ModelSpec& spec, const WeightSource& weights,
                                      const TokenWindows& tokens, size_t budget, Backend& backend) {
        QS_TRY(Forward forward, Forward::create(spec, backend, tokens.cols()));
        QS_TRY(ActivationStore hidden, ActivationStore::create(tokens.size(), spec.hidden, budget));
        QS_CHECK(forward.embed(tokens.span(), weights, hidden));
        return ModelStream(weights, std::move(forward), std::move(hidden));
    }

    /// Takes the states behind as many blocks as `files`, which must live as long, has of this stream, whose
    /// text is `tokens`, and from now on keeps what further blocks give. To be called before the first block.
    /// How many files were damaged, which are gone then.
    Result<size_t> resume(const HiddenCache& cache, const HiddenFiles& files, const TokenWindows& tokens,
                          const JobContext& job);
    /// Blocks that resume() has done.
    size_t blocksTaken() const { return taken_; }

    /// Nothing when resume() has done it.
    Result<void> runBlock(size_t index, const JobContext& job);
    Result<Head> head() const { return Head::create(forward_.spec(), *weights_, forward_.backend()); }
    Result<ConstMatrixView> rows(size_t first, size_t count) const { return hidden_.values(first, count); }

    /// Rows of logits that stay near 64 MiB whatever the vocabulary.
    static size_t logitRows(const ModelSpec& spec) {
        return std::clamp<size_t>((size_t(64) << 20) / sizeof(float) / std::max<size_t>(1, spec.vocabulary),
                                  1, 1024);
    }

private:
    ModelStream(const WeightSource& weights, Forward forward, ActivationStore hidden)
        : weights_(&weights), forward_(std::move(forward)), hidden_(std::move(hidden)) {}
    const WeightSource* weights_;
    Forward forward_;
    ActivationStore hidden_;
    const HiddenFiles* files_ = nullptr; ///< null: nothing is kept
    std::optional<PrefixDigest> digest_; ///< of the blocks done, with files_
    size_t taken_ = 0;
};

} // namespace qs

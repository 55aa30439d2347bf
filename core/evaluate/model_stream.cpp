// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/model_stream.h"

namespace qs {

Result<size_t> ModelStream::resume(const HiddenCache& cache, const HiddenFiles& files,
                                   const TokenWindows& tokens, const JobContext& job) {
    files_ = &files;
    const Backend& be = forward_.backend();
    QS_TRY(const ConstMatrixView embedded, hidden_.values(0, hidden_.rowCount()));
    digest_.emplace(cache.identity, be.id() + ", " + be.description(), forward_.windowLength(), embedded);
    if (files.empty()) return size_t(0);
    struct Known {
        size_t blocks;
        PrefixDigest digest;
    };
    std::vector<Known> known;
    PrefixDigest prefix = *digest_;
    const size_t blocks = forward_.spec().blocks.size();
    for (size_t b = 0; b < blocks; ++b) {
        QS_CHECK(job.checkpoint());
        QS_CHECK(prefix.load(forward_, b, *weights_));
        if (files.keeps(b) && files.has(prefix.value())) known.push_back({b + 1, prefix});
        job.report("Look for what is known", double(b + 1), double(blocks));
    }
    size_t damaged = 0;
    for (; !known.empty(); known.pop_back(), ++damaged) {
        QS_TRY(const MatrixView states, hidden_.rows(0, hidden_.rowCount()));
        if (!files.read(known.back().digest.value(), states)) continue;
        taken_ = known.back().blocks;
        digest_ = known.back().digest;
        return damaged;
    }
    if (damaged > 0) QS_CHECK(forward_.embed(tokens.span(), *weights_, hidden_)); // a part was overwritten
    return damaged;
}

Result<void> ModelStream::runBlock(size_t index, const JobContext& job) {
    if (index < taken_) return {};
    if (!files_) {
        QS_TRY(const DeviceBlock block, forward_.loadBlock(index, *weights_));
        return forward_.runBlock(index, block, hidden_, {}, false, job);
    }
    QS_TRY(const DeviceBlock block, digest_->load(forward_, index, *weights_));
    QS_CHECK(forward_.runBlock(index, block, hidden_, {}, false, job));
    if (!files_->keeps(index)) return {};
    QS_TRY(const ConstMatrixView states, hidden_.values(0, hidden_.rowCount()));
    files_->write(digest_->value(), states);
    return {};
}

} // namespace qs

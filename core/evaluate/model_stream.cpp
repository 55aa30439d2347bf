// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/model_stream.h"

namespace qs {

Result<bool> ModelStream::resume(const HiddenCache& cache, const HiddenFiles& files, const JobContext& job) {
    files_ = &files;
    const Backend& be = forward_.backend();
    digest_.emplace(cache.identity, be.id() + ", " + be.description(), forward_.windowLength(), hidden_);
    if (files.empty()) return true;
    PrefixDigest prefix = *digest_, found = *digest_;
    for (size_t b = 0; b < forward_.spec().blocks.size() && !prefix.value().empty(); ++b) {
        QS_CHECK(job.checkpoint());
        QS_CHECK(prefix.load(forward_, b, *weights_));
        if (!files.keeps(b) || !files.has(prefix.value())) continue;
        taken_ = b + 1;
        found = prefix;
    }
    if (taken_ == 0) return true;
    digest_ = found;
    return files.read(found.value(), hidden_);
}

Result<void> ModelStream::runBlock(size_t index, const JobContext& job) {
    if (index < taken_) return {};
    if (!files_) {
        QS_TRY(const DeviceBlock block, forward_.loadBlock(index, *weights_));
        return forward_.runBlock(index, block, hidden_, {}, false, job);
    }
    QS_TRY(const DeviceBlock block, digest_->load(forward_, index, *weights_));
    QS_CHECK(forward_.runBlock(index, block, hidden_, {}, false, job));
    if (files_->keeps(index)) files_->write(digest_->value(), hidden_);
    return {};
}

} // namespace qs

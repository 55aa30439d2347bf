// SPDX-License-Identifier: Apache-2.0
// The calibration runner: block by block, one pass per block that collects every site of the block.
#include "core/backend/sums.h"
#include "core/base/aside.h"
#include "core/calibrate/calibration.h"
#include "core/model/forward.h"

#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <utility>

namespace qs {

namespace {

constexpr size_t kSampleRows = 64;

/// Sigma and statistics of a site's inputs, added up where the backend has them.
class SiteCollector {
public:
    static Result<SiteCollector> create(const std::string& site, size_t channels, Backend& backend) {
        SiteCollector c(site, channels, backend);
        QS_TRY(c.sigma_, backend.secondMoment(channels));
        return c;
    }

    const std::string& site() const { return site_; }

    Result<void> add(const Tensor& x) {
        QS_CHECK(sigma_->add(x));
        if (tokens_ == 0) QS_CHECK(begin(x));
        tokens_ += x.rows;
        if (sampled_ < kSampleRows) QS_CHECK(sample(x));
        if (tally_) return tally_->add(x);
        Matrix storage;
        QS_TRY(const ConstMatrixView host, backend_->hostView(x, storage));
        stats_.add(host);
        return {};
    }

    Result<MatrixD> takeSigma() { return sigma_->take(); }

    Result<SiteRecord> takeRecord() {
        if (tally_) {
            QS_TRY(const TallySums sums, tally_->take());
            stats_.merge(shift_, tokens_, sums);
        }
        SiteRecord r;
        r.site = site_;
        r.channels = sample_.cols();
        r.tokens = tokens_;
        r.stats = stats_.result();
        r.sample = Matrix(sampled_, sample_.cols());
        std::copy_n(sample_.data(), r.sample.size(), r.sample.data());
        return r;
    }

private:
    SiteCollector(std::string site, size_t channels, Backend& backend)
        : site_(std::move(site)), backend_(&backend), stats_(channels), sample_(kSampleRows, channels) {}

    /// Moments keep their digits about a value of the channel.
    Result<void> begin(const Tensor& x) {
        Matrix first(1, x.cols);
        QS_CHECK(backend_->download(TensorBlock(x).rowsOf(0, 1), first.view()));
        shift_.assign(first.data(), first.data() + first.size());
        for (float& v : shift_)
            if (!std::isfinite(v)) v = 0;
        QS_TRY(tally_, backend_->columnTally(shift_));
        return {};
    }

    Result<void> sample(const Tensor& x) {
        const size_t n = std::min(x.rows, kSampleRows - sampled_);
        QS_CHECK(
            backend_->download(TensorBlock(x).rowsOf(0, n), sample_.view().block(sampled_, n, 0, x.cols)));
        sampled_ += n;
        return {};
    }

    std::string site_;
    Backend* backend_;
    std::unique_ptr<SecondMoment> sigma_;
    std::unique_ptr<ColumnTally> tally_; ///< null: stats_ are taken in host memory
    std::vector<float> shift_;           ///< of the tally
    ChannelAccumulator stats_;
    Matrix sample_;
    size_t sampled_ = 0;
    uint64_t tokens_ = 0;
};

Result<std::vector<SiteCollector>> collectorsFor(const BlockSpec& block, Backend& backend) {
    std::vector<SiteCollector> out;
    for (const LinearSpec* l : block.linears()) {
        const bool known =
            std::any_of(out.begin(), out.end(), [&](const SiteCollector& c) { return c.site() == l->site; });
        if (known) continue;
        QS_TRY(SiteCollector c, SiteCollector::create(l->site, l->in, backend));
        out.push_back(std::move(c));
    }
    return out;
}

/// Writes what one block found while a device computes the next, on a thread of its own; at once where that
/// would take the processor from the forward pass.
class SiteWriting {
public:
    SiteWriting(CalibrationWriter& writer, const Backend& backend)
        : writer_(writer), aside_(!backend.inMainMemory()) {}

    Result<void> add(SiteRecord record, MatrixD sigma) {
        if (!aside_) return writer_.addSite(record, sigma);
        block_.emplace_back(std::move(record), std::move(sigma));
        return {};
    }
    /// The block is complete. Once those before it are written, whose error it returns.
    Result<void> endBlock() {
        QS_CHECK(finish());
        if (!aside_) return {};
        // A function that is kept must be copied, and these cannot be.
        writing_.begin([this, sites = std::make_shared<Sites>(std::exchange(block_, {}))]() -> Result<void> {
            for (const auto& [record, sigma] : *sites)
                QS_CHECK(writer_.addSite(record, sigma));
            return {};
        });
        return {};
    }
    Result<void> finish() { return writing_.finish(); }

private:
    using Sites = std::vector<std::pair<SiteRecord, MatrixD>>;

    CalibrationWriter& writer_;
    bool aside_;
    Sites block_;
    Aside writing_;
};

std::string utcNow() {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
}

} // namespace

Result<std::shared_ptr<const Calibration>> calibrate(const Model& model, const TokenWindows& tokens,
                                                     const CalibrateOptions& options,
                                                     const std::filesystem::path& file, Backend& backend,
                                                     const JobContext& job) {
    QS_CHECK(model.requireForward());
    const ModelSpec& spec = model.spec();
    QS_CHECK(checkTokens(tokens, spec.vocabulary));
    if (tokens.rows() == 0) return Error::invalid("no calibration tokens");
    CalibrationInfo info;
    QS_TRY(info.modelFingerprint, model.checkpoint().fingerprint());
    if (model.tokenizer()) info.tokenizerFingerprint = model.tokenizer()->fingerprint();
    info.source = options.source;
    info.precision = backend.precision();
    info.fingerprint = calibrationFingerprint(info, tokens);
    info.seed = options.seed;
    info.createdUtc = utcNow();
    info.appVersion = QS_VERSION;

    const auto weights = modelWeights(model);
    QS_TRY(Forward forward, Forward::create(spec, backend, tokens.cols()));
    QS_TRY(ActivationStore hidden,
           ActivationStore::create(tokens.size(), spec.hidden, options.activationBudgetBytes));
    QS_CHECK(forward.embed(tokens.span(), *weights, hidden));
    QS_TRY(auto writer, CalibrationWriter::begin(file, info, tokens));
    SiteWriting writing(*writer, backend);
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const double count = double(spec.blocks.size());
        QS_TRY(DeviceBlock block, forward.loadBlock(b, *weights));
        QS_TRY(std::vector<SiteCollector> collectors, collectorsFor(spec.blocks[b], backend));
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            QS_CHECK(job.checkpoint());
            for (SiteCollector& c : collectors)
                if (c.site() == site) return c.add(x);
            return {};
        };
        QS_CHECK(forward.runBlock(b, block, hidden, hook, false,
                                  job.part(double(b) / count, double(b + 1) / count)));
        for (SiteCollector& c : collectors) {
            QS_TRY(SiteRecord record, c.takeRecord());
            QS_TRY(MatrixD sigma, c.takeSigma());
            QS_CHECK(writing.add(std::move(record), std::move(sigma)));
        }
        QS_CHECK(writing.endBlock());
    }
    QS_CHECK(job.checkpoint());
    QS_CHECK(writing.finish());
    QS_CHECK(writer->commit());
    return Calibration::open(file);
}

} // namespace qs

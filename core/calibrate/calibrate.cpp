// SPDX-License-Identifier: Apache-2.0
// The calibration runner: block by block, one pass per block that collects every site of the block.
#include "core/calibrate/calibration.h"
#include "core/linalg/second_moment.h"
#include "core/model/forward.h"

#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kSampleRows = 64;

struct SiteCollector {
    explicit SiteCollector(std::string site, size_t channels)
        : name(std::move(site)), stats(channels), sigma(channels, channels), sample(kSampleRows, channels) {}
    std::string name;
    ChannelAccumulator stats;
    MatrixD sigma;
    Matrix sample;
    size_t sampled = 0;

    Result<void> add(const Tensor& x, Backend& backend) {
        QS_CHECK(backend.accumulateSigma(x, sigma));
        Matrix storage;
        QS_TRY(const ConstMatrixView host, backend.hostView(x, storage));
        stats.add(host);
        for (size_t r = 0; r < host.rows && sampled < kSampleRows; ++r)
            std::copy_n(host.row(r), host.cols, sample.row(sampled++));
        return {};
    }

    SiteRecord record() const {
        SiteRecord r;
        r.site = name;
        r.channels = sample.cols();
        r.tokens = stats.samples();
        r.stats = stats.result();
        r.sample = Matrix(sampled, sample.cols());
        std::copy_n(sample.data(), r.sample.size(), r.sample.data());
        return r;
    }
};

std::vector<SiteCollector> collectorsFor(const BlockSpec& block) {
    std::vector<SiteCollector> out;
    for (const LinearSpec* l : block.linears()) {
        const bool known =
            std::any_of(out.begin(), out.end(), [&](const SiteCollector& c) { return c.name == l->site; });
        if (!known) out.emplace_back(l->site, l->in);
    }
    return out;
}

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
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const double count = double(spec.blocks.size());
        QS_TRY(DeviceBlock block, forward.loadBlock(b, *weights));
        std::vector<SiteCollector> collectors = collectorsFor(spec.blocks[b]);
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            QS_CHECK(job.checkpoint());
            for (SiteCollector& c : collectors)
                if (c.name == site) return c.add(x, backend);
            return {};
        };
        QS_CHECK(forward.runBlock(b, block, hidden, hook, false,
                                  job.part(double(b) / count, double(b + 1) / count)));
        for (SiteCollector& c : collectors) {
            linalg::mirrorUpper(c.sigma.view());
            QS_CHECK(writer->addSite(c.record(), c.sigma));
        }
    }
    QS_CHECK(job.checkpoint());
    QS_CHECK(writer->commit());
    return Calibration::open(file);
}

} // namespace qs

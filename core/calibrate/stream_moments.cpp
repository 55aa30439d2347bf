// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/stream_moments.h"

#include "core/quant/transform/model_rotation.h"

#include <fmt/format.h>
#include <set>

namespace qs {

namespace {

/// Adds the moments of one site: with s the sum of x and b the bias,
/// sum (x - b) (x - b)^T = Sigma - s b^T - b s^T + tokens b b^T.
Result<void> addSite(const Calibration& calibration, const SiteRecord& site, std::span<const float> gain,
                     std::span<const float> bias, MatrixD& sum) {
    const size_t n = sum.rows();
    QS_TRY(const MatrixD sigma, calibration.sigma(site.site));
    if (sigma.rows() != n || sigma.cols() != n || site.stats.mean.size() != n)
        return Error::corrupt(fmt::format("site {} has {} channels, expected {}", site.site, sigma.rows(), n),
                              calibration.file().string());
    const double tokens = double(site.tokens);
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < n; ++j) {
            const double bi = double(bias[i]), bj = double(bias[j]),
                         scale = double(gain[i]) * double(gain[j]);
            const double si = tokens * double(site.stats.mean[i]), sj = tokens * double(site.stats.mean[j]);
            if (scale != 0) sum(i, j) += (sigma(i, j) - si * bj - bi * sj + tokens * bi * bj) / scale;
        }
    return {};
}

Result<std::vector<float>> biasOf(const NormSpec& norm, size_t size, const WeightSource& weights) {
    if (norm.bias.empty()) return std::vector<float>(size);
    QS_TRY(const Matrix stored, weights.matrix(norm.bias));
    if (stored.size() != size)
        return Error::corrupt(fmt::format("{} values, expected {}", stored.size(), size), norm.bias);
    return std::vector<float>(stored.data(), stored.data() + size);
}

} // namespace

Result<MatrixD> streamMoments(const Calibration& calibration, const Model& model, const JobContext& job) {
    QS_CHECK(model.requireForward());
    QS_CHECK(calibration.requireFor(model));
    QS_TRY(const ResidualStream stream, residualStream(model.spec()));
    const size_t n = model.spec().hidden;
    const auto weights = modelWeights(model);
    MatrixD sum(n, n);
    size_t found = 0, done = 0;
    for (const StreamReader& reader : stream.readers) {
        job.report("Read second moments", double(done++), double(stream.readers.size()));
        std::vector<float> gain(n, 1.0f);
        if (reader.norm) {
            QS_TRY(gain, normGains(reader.norm, *weights));
        }
        QS_TRY(const std::vector<float> bias, biasOf(reader.norm, n, *weights));
        std::set<std::string> sites;
        for (const LinearSpec* l : reader.linears)
            sites.insert(l->site);
        for (const std::string& name : sites) {
            QS_CHECK(job.checkpoint());
            const SiteRecord* site = calibration.find(name);
            if (!site || site->tokens == 0) continue;
            QS_CHECK(addSite(calibration, *site, gain, bias, sum));
            ++found;
        }
    }
    if (found == 0)
        return Error::invalid("no site that reads the residual stream was recorded",
                              calibration.file().string());
    return sum;
}

} // namespace qs

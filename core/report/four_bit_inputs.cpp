// SPDX-License-Identifier: Apache-2.0
#include "core/report/four_bit_inputs.h"

#include "core/quant/transform/model_rotation.h"
#include "core/recipe/input_scheme.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <set>

namespace qs {

namespace {

constexpr uint64_t kRotationSeed = 0;
constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

const char* activationName(Activation activation) {
    switch (activation) {
    case Activation::Silu:
        return "silu";
    case Activation::GeluErf:
    case Activation::GeluTanh:
        return "gelu";
    case Activation::QuickGelu:
        return "quick gelu";
    case Activation::Relu:
        return "relu";
    }
    return "";
}

/// The sites of a block in order of use, with what reads them.
std::vector<FourBitSite> sitesOf(const BlockSpec& block, int index) {
    std::vector<FourBitSite> out;
    for (const LinearSpec* linear : block.linears()) {
        const auto known = std::ranges::find(out, linear->site, &FourBitSite::site);
        if (known != out.end()) {
            known->linears += ", " + linear->role;
            continue;
        }
        FourBitSite s;
        s.site = linear->site;
        s.block = index;
        s.linears = linear->role;
        s.channels = linear->in;
        s.plain = s.smoothed = s.rotated = kNotMeasured;
        out.push_back(std::move(s));
    }
    const auto nameActivation = [&](const MlpSpec& mlp) {
        const auto s = std::ranges::find(out, mlp.down.site, &FourBitSite::site);
        if (s != out.end()) s->activation = activationName(mlp.activation);
    };
    if (!block.mixture) nameActivation(block.mlp);
    if (block.mixture)
        for (const MlpSpec& expert : block.mixture->experts)
            nameActivation(expert);
    if (block.mixture && block.mixture->shared) nameActivation(*block.mixture->shared);
    return out;
}

std::vector<std::string> modulesOf(const BlockSpec& block, const std::string& site) {
    std::vector<std::string> out;
    for (const LinearSpec* linear : block.linears())
        if (linear->site == site) out.push_back(linear->module);
    return out;
}

/// What reads the residual stream turns with it, the attention's outputs with the heads of v.
void addStructure(std::vector<FourBitSite>& sites, const BlockSpec& block, bool canRotate) {
    std::set<std::string> folded;
    for (const FoldSpec& fold : block.folds)
        folded.insert(fold.sites.begin(), fold.sites.end());
    for (FourBitSite& s : sites) {
        s.folds = folded.count(s.site) > 0;
        s.rotates = canRotate && s.activation.empty();
    }
}

double kurtosisOf(ConstMatrixView x) {
    ChannelSums sums(x.cols);
    sums.addRows(x);
    Moments all;
    for (size_t c = 0; c < x.cols; ++c)
        all.merge(sums.moments(c));
    return all.kurtosis();
}

std::vector<float> smoothingFactors(const ChannelStats& stats, ConstMatrixView w) {
    std::vector<float> out(stats.channels(), 1.0f);
    for (size_t c = 0; c < out.size(); ++c) {
        float largest = 0;
        for (size_t r = 0; r < w.rows; ++r)
            largest = std::max(largest, std::fabs(w(r, c)));
        if (stats.absmax[c] > 0 && largest > 0) out[c] = std::sqrt(stats.absmax[c] / largest);
    }
    return out;
}

/// Some rows of every linear that reads the site, [n, channels].
Result<Matrix> someRows(const Model& model, const std::vector<std::string>& modules, size_t channels) {
    std::vector<std::pair<const QuantTarget*, size_t>> rows;
    for (const std::string& module : modules)
        if (const QuantTarget* t = model.findTarget(module)) {
            const size_t n = std::min(kFourBitOutputs, t->rows);
            for (size_t i = 0; i < n; ++i)
                rows.emplace_back(t, i * t->rows / n);
        }
    Matrix out(rows.size(), channels);
    for (size_t r = 0; r < rows.size(); ++r)
        QS_CHECK(model.readTargetRows(*rows[r].first, rows[r].second, {out.row(r), 1, channels}));
    return out;
}

double energy(std::span<const float> x, ConstMatrixView w) {
    double sum = 0;
    for (size_t o = 0; o < w.rows; ++o) {
        double y = 0;
        for (size_t c = 0; c < w.cols; ++c)
            y += double(x[c]) * double(w(o, c));
        sum += y * y;
    }
    return sum;
}

Matrix turned(ConstMatrixView m, const Rotation& rotation) {
    Matrix out(m.rows, m.cols);
    std::copy_n(m.data, m.rows * m.cols, out.data());
    rotation.turn(out.view());
    return out;
}

FourBitVerdict verdictOf(const FourBitSite& s) {
    if (!std::isfinite(s.plain)) return FourBitVerdict::NotKnown;
    if (s.plain <= kFourBitLimit) return FourBitVerdict::AsItIs;
    if (s.folds && s.smoothed <= kFourBitLimit) return FourBitVerdict::Smoothed;
    if (s.rotated <= kFourBitLimit) return s.rotates ? FourBitVerdict::Rotated : FourBitVerdict::RotatedInRun;
    return FourBitVerdict::NotInFour;
}

std::string ruleOf(const FourBitSite& s) {
    if (!std::isfinite(s.plain)) return "no token of the calibration got there";
    return fmt::format("loses {:.2g} % as it is, {:.2g} % smoothed{}, {:.2g} % rotated{}: limit {:g} %",
                       100 * s.plain, 100 * s.smoothed, s.folds ? "" : " (no fold)", 100 * s.rotated,
                       s.rotates ? "" : " (while it runs)", 100 * kFourBitLimit);
}

/// One of each size: making one is dear where the size has no large power of two.
class Rotations {
public:
    const Rotation& of(size_t size) {
        auto it = made_.find(size);
        if (it == made_.end()) it = made_.emplace(size, Rotation::hadamard(size, kRotationSeed)).first;
        return it->second;
    }

private:
    std::map<size_t, Rotation> made_;
};

Result<void> measure(FourBitSite& s, const SiteRecord& record, const Matrix& w, Rotations& rotations) {
    const Matrix& x = record.sample;
    s.outlierRatio = maxMedianRatio(record.stats);
    s.sampled = x.rows();
    if (record.tokens == 0 || x.rows() == 0) return {};
    if (x.cols() != s.channels || record.stats.channels() != s.channels)
        return Error::invalid(
            fmt::format("the calibration has {} channels, the model {}", x.cols(), s.channels), s.site);
    s.kurtosis = kurtosisOf(x.view());
    QS_TRY(s.plain, lostInFourBits(x.view(), w.view()));
    QS_TRY(s.smoothed, lostInFourBits(x.view(), w.view(), smoothingFactors(record.stats, w.view())));
    const Rotation& rotation = rotations.of(x.cols());
    QS_TRY(s.rotated, lostInFourBits(turned(x.view(), rotation).view(), turned(w.view(), rotation).view()));
    return {};
}

const char* publishedFor(bool causal) {
    return causal ? "decoders (GPT) lost accuracy in W4A4 even when trained for it"
                  : "encoders (BERT) kept their accuracy in W4A4 when trained for it";
}

} // namespace

const char* fourBitVerdictId(FourBitVerdict verdict) {
    switch (verdict) {
    case FourBitVerdict::AsItIs:
        return "as_is";
    case FourBitVerdict::Smoothed:
        return "smoothed";
    case FourBitVerdict::Rotated:
        return "rotated";
    case FourBitVerdict::RotatedInRun:
        return "rotated_in_run";
    case FourBitVerdict::NotInFour:
        return "not_in_four";
    case FourBitVerdict::NotKnown:
        return "not_known";
    }
    return "";
}

const char* fourBitVerdictText(FourBitVerdict verdict) {
    switch (verdict) {
    case FourBitVerdict::AsItIs:
        return "4 bits as it is";
    case FourBitVerdict::Smoothed:
        return "4 bits once smoothed";
    case FourBitVerdict::Rotated:
        return "4 bits once rotated";
    case FourBitVerdict::RotatedInRun:
        return "4 bits, rotated while it runs";
    case FourBitVerdict::NotInFour:
        return "8 bits";
    case FourBitVerdict::NotKnown:
        return "not known";
    }
    return "";
}

size_t FourBitReport::count(FourBitVerdict of) const {
    return size_t(std::ranges::count(sites, of, &FourBitSite::verdict));
}

Result<double> lostInFourBits(ConstMatrixView x, ConstMatrixView w, std::vector<float> factors) {
    QS_TRY(const InputScheme scheme, InputScheme::preset("int4"));
    QS_TRY(const auto codec, createCodec(scheme.codec, scheme.codecParams));
    Matrix error(x.rows, x.cols);
    std::copy_n(x.data, x.rows * x.cols, error.data());
    QS_CHECK(RowRounder(codec, std::move(factors)).round(error.view()));
    for (size_t i = 0; i < error.size(); ++i)
        error.data()[i] = x.data[i] - error.data()[i];
    double sum = 0;
    size_t tokens = 0;
    for (size_t r = 0; r < x.rows; ++r) {
        const double all = energy({x.row(r), x.cols}, w);
        if (!(all > 0)) continue;
        sum += energy({error.row(r), x.cols}, w) / all;
        ++tokens;
    }
    return tokens ? sum / double(tokens) : kNotMeasured;
}

Result<FourBitReport> fourBitInputs(const Model& model, const Calibration& calibration,
                                    const JobContext& job) {
    QS_CHECK(model.requireForward());
    QS_CHECK(calibration.requireFor(model));
    FourBitReport out;
    out.architecture = model.spec().architecture;
    out.causal = model.spec().causal;
    out.published = publishedFor(out.causal);
    ModelRotationOptions options;
    options.heads = true;
    if (const auto rotation = ModelRotation::make(model, options); !rotation)
        out.noRotation = rotation.error().describe();
    Rotations rotations;
    const auto& blocks = model.spec().blocks;
    for (size_t b = 0; b < blocks.size(); ++b) {
        std::vector<FourBitSite> sites = sitesOf(blocks[b], int(b));
        addStructure(sites, blocks[b], out.noRotation.empty());
        for (FourBitSite& s : sites) {
            QS_CHECK(job.checkpoint());
            if (const SiteRecord* record = calibration.find(s.site)) {
                QS_TRY(const Matrix w, someRows(model, modulesOf(blocks[b], s.site), s.channels));
                QS_CHECK(measure(s, *record, w, rotations));
            }
            s.verdict = verdictOf(s);
            s.rule = ruleOf(s);
            const bool known = s.verdict != FourBitVerdict::NotKnown;
            if (known && (out.verdict == FourBitVerdict::NotKnown || s.verdict > out.verdict))
                out.verdict = s.verdict;
            out.sites.push_back(std::move(s));
        }
        job.report("Inputs in 4 bits", double(b + 1), double(blocks.size()));
    }
    return out;
}

} // namespace qs

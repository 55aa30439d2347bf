// SPDX-License-Identifier: Apache-2.0
#include "core/calibrate/probe.h"

#include <algorithm>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kSpikesPerBlock = 8;
const char* const kEmbedding = "embedding";
const char* const kFinalNorm = "final_norm";

std::string residualSite(size_t block, BlockHalf half) {
    return fmt::format("layers.{}.{}", block, half == BlockHalf::Attention ? "residual_attn" : "residual");
}

void addUnique(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

/// The dense layer that sees all tokens; null for a mixture without a shared expert.
const MlpSpec* denseMlp(const BlockSpec& b) {
    if (!b.mixture) return &b.mlp;
    return b.mixture->shared ? &*b.mixture->shared : nullptr;
}

std::vector<std::string> blockSites(const ModelSpec& spec, size_t index) {
    const BlockSpec& b = spec.blocks[index];
    std::vector<std::string> names = {b.attention.q.site, b.attention.o.site,
                                      residualSite(index, BlockHalf::Attention)};
    if (const MlpSpec* m = denseMlp(b)) {
        addUnique(names, m->inputSite());
        addUnique(names, m->down.site);
    }
    names.push_back(residualSite(index, BlockHalf::FeedForward));
    return names;
}

std::vector<Peak> peaksOf(ConstMatrixView x, const std::vector<TokenClass>* classes, TokenClass wanted) {
    std::vector<Peak> peaks(x.cols);
    for (size_t t = 0; t < x.rows; ++t) {
        if (classes && (*classes)[t] != wanted) continue;
        for (size_t c = 0; c < x.cols; ++c)
            if (std::fabs(x(t, c)) > std::fabs(peaks[c].value)) peaks[c] = {x(t, c), uint32_t(t)};
    }
    return peaks;
}

/// What is seen of a half before it is in the stream: a parallel block computes both halves first.
struct HalfPeaks {
    std::vector<Peak> wrote, normed;
};

/// One pass. Lives as long as it.
class Prober {
public:
    Prober(const ModelSpec& spec, const WeightSource& weights, const ProbeRequest& request, Backend& backend,
           const JobContext& job, const ProbeListener& listener)
        : spec_(spec)
        , weights_(weights)
        , request_(request)
        , backend_(backend)
        , job_(job)
        , listener_(listener)
        , classes_(request.classes) {}

    Result<ProbeResult> run() {
        QS_CHECK(prepare());
        QS_TRY(Forward forward, Forward::create(spec_, backend_, request_.tokens.size()));
        watch(forward);
        QS_TRY(Embedding embedding, Embedding::load(spec_, weights_, backend_));
        Matrix host(request_.tokens.size(), spec_.hidden);
        QS_CHECK(embedding.embed(request_.tokens, host.rows(), host.view()));
        record(kEmbedding, host.view());
        addPoint({TracePoint::Kind::Embedding, 0, BlockHalf::Attention, {}, 0}, host.view());
        Tensor hidden;
        QS_CHECK(backend_.upload(host.view(), hidden));
        for (index_ = 0; index_ < lastBlock_; ++index_)
            QS_CHECK(runBlock(forward, hidden));
        if (wants(kFinalNorm) || request_.trace) QS_CHECK(finish(hidden));
        return std::move(result_);
    }

private:
    Result<void> prepare() {
        const size_t tokens = request_.tokens.size();
        if (tokens < 2 || tokens > kMaxProbeTokens)
            return Error::invalid(
                fmt::format("a probe takes 2 to {} tokens, got {}", kMaxProbeTokens, tokens));
        if (classes_.empty()) {
            classes_.assign(tokens, TokenClass::Other);
            classes_[0] = TokenClass::First;
        }
        if (classes_.size() != tokens)
            return Error::invalid(fmt::format("{} classes for {} tokens", classes_.size(), tokens));
        const std::vector<std::string> known = probeSites(spec_);
        for (const std::string& site : request_.sites)
            if (std::find(known.begin(), known.end(), site) == known.end())
                return Error::invalid("no activation that a probe can record: \"" + site + "\"");
        lastBlock_ = request_.trace || wants(kFinalNorm) ? spec_.blocks.size() : 0;
        for (size_t b = lastBlock_; b < spec_.blocks.size(); ++b)
            for (const std::string& site : blockSites(spec_, b))
                if (wants(site)) lastBlock_ = b + 1;
        result_.trace.channels = spec_.hidden;
        result_.received = MatrixD(request_.trace ? spec_.blocks.size() : 0, tokens);
        result_.even = MatrixD(result_.received.rows(), tokens);
        return {};
    }

    HalfPeaks& of(BlockHalf half) { return halves_[half == BlockHalf::Attention ? 0 : 1]; }

    bool wants(const std::string& site) const {
        return std::find(request_.sites.begin(), request_.sites.end(), site) != request_.sites.end();
    }

    void record(const std::string& site, ConstMatrixView x) {
        if (!wants(site)) return;
        auto values = std::make_shared<Matrix>(x.rows, x.cols);
        std::copy_n(x.data, x.size(), values->data());
        result_.sites.push_back({site, std::move(values)});
        if (listener_.site) listener_.site(result_.sites.back());
    }

    void addPoint(TracePoint point, ConstMatrixView x) {
        if (!request_.trace) return;
        ResidualTrace& t = result_.trace;
        for (size_t c = 0; c < kTokenClasses; ++c)
            t.peaks[c].push_back(peaksOf(x, &classes_, TokenClass(c)));
        point.median = medianMagnitude({x.data, x.size()});
        HalfPeaks seen =
            point.kind == TracePoint::Kind::Half ? std::exchange(of(point.half), {}) : HalfPeaks();
        t.written.push_back(std::move(seen.wrote));
        t.normed.push_back(std::move(seen.normed));
        t.points.push_back(std::move(point));
    }

    Result<Matrix> toHost(const Tensor& x) const {
        Matrix host(x.rows, x.cols);
        QS_CHECK(backend_.download(x, host.view()));
        return host;
    }

    void watch(Forward& forward) {
        BlockWatch w;
        w.residual = [this](BlockHalf half, const Tensor& hidden) { return onResidual(half, hidden); };
        if (request_.trace) {
            w.attention = [this](const Tensor& q, const Tensor& k, const AttentionShape& shape) {
                return onAttention(q, k, shape);
            };
            w.output = [this](BlockHalf half, const Tensor& y) { return onOutput(half, y); };
        }
        forward.watch(std::move(w));
    }

    Result<void> runBlock(Forward& forward, Tensor& hidden) {
        QS_CHECK(job_.checkpoint());
        job_.report(fmt::format("Block {} of {}", index_ + 1, lastBlock_), double(index_),
                    double(lastBlock_));
        QS_TRY(block_, forward.loadBlock(index_, weights_));
        const BlockSpec& b = spec_.blocks[index_];
        if (request_.trace) {
            QS_CHECK(addGain(block_.attentionNorms.before, BlockHalf::Attention));
            QS_CHECK(addGain(block_.mlpNorms.before, BlockHalf::FeedForward));
        }
        const std::vector<std::string> sites = blockSites(spec_, index_);
        const SiteHook hook = [&](const std::string& site, const Tensor& x) -> Result<void> {
            QS_CHECK(job_.checkpoint());
            if (std::find(sites.begin(), sites.end(), site) == sites.end()) return {};
            return onSite(b, site, x);
        };
        QS_CHECK(forward.runBlock(index_, block_, hidden, hook));
        result_.blocks = index_ + 1;
        if (listener_.block) listener_.block(result_);
        return {};
    }

    Result<void> onSite(const BlockSpec& b, const std::string& site, const Tensor& x) {
        const MlpSpec* dense = denseMlp(b);
        const bool down = dense && site == dense->down.site;
        const bool attends = site == b.attention.q.site && b.attentionNorms.before;
        const bool feeds = dense && site == dense->inputSite() && b.mlpNorms.before;
        if (!wants(site) && !(request_.trace && (down || attends || feeds))) return {};
        QS_TRY(Matrix host, toHost(x));
        record(site, host.view());
        if (!request_.trace) return {};
        if (attends) of(BlockHalf::Attention).normed = peaksOf(host.view(), nullptr, {});
        if (feeds) of(BlockHalf::FeedForward).normed = peaksOf(host.view(), nullptr, {});
        if (down && !b.mixture) downInput_ = std::move(host);
        return {};
    }

    Result<void> onAttention(const Tensor& q, const Tensor& k, const AttentionShape& shape) {
        QS_TRY(const Matrix hostQ, toHost(q));
        QS_TRY(const Matrix hostK, toHost(k));
        Matrix bias;
        if (shape.keyBias.buffer) {
            QS_TRY(bias, toHost(shape.keyBias));
        }
        QS_TRY(const std::vector<double> received,
               attentionReceived(hostQ.view(), hostK.view(), std::as_const(bias).view(), shape, job_));
        const std::vector<double> even = evenAttention(received.size(), shape.causal, shape.reach);
        std::copy(received.begin(), received.end(), result_.received.row(index_));
        std::copy(even.begin(), even.end(), result_.even.row(index_));
        return {};
    }

    Result<void> onOutput(BlockHalf half, const Tensor& y) {
        QS_TRY(const Matrix host, toHost(y));
        of(half).wrote = peaksOf(host.view(), nullptr, {});
        if (half == BlockHalf::Attention || downInput_.empty()) return {};
        const LinearSpec& down = spec_.blocks[index_].mlp.down;
        const auto row = [&](size_t r) -> Result<std::vector<float>> {
            const uint32_t wanted[] = {uint32_t(r)};
            QS_TRY(Tensor one, backend_.allocate(1, block_.mlp.down.weight.cols));
            QS_CHECK(backend_.gatherRows(block_.mlp.down.weight, wanted, one));
            std::vector<float> w(one.cols);
            QS_CHECK(backend_.download(one, MatrixView(w.data(), 1, w.size())));
            return w;
        };
        QS_TRY(std::vector<DownSpike> spikes,
               downSpikes(std::as_const(downInput_).view(), host.view(), kSpikesPerBlock, row));
        downInput_ = Matrix();
        for (DownSpike& s : spikes) {
            s.block = index_;
            s.module = down.module;
            s.weight = down.weight;
            result_.spikes.push_back(std::move(s));
        }
        return {};
    }

    Result<void> onResidual(BlockHalf half, const Tensor& hidden) {
        const std::string site = residualSite(index_, half);
        if (!request_.trace && !wants(site)) return {};
        QS_TRY(const Matrix host, toHost(hidden));
        record(site, host.view());
        const BlockSpec& b = spec_.blocks[index_];
        const bool attention = half == BlockHalf::Attention;
        const std::string& writer = attention ? b.attention.o.module : b.mlp.down.module;
        addPoint({TracePoint::Kind::Half, index_, half, b.mixture && !attention ? std::string() : writer, 0},
                 host.view());
        return {};
    }

    /// A norm over the whole stream; norms of heads and none at all are passed over.
    Result<void> addGain(const DeviceNorm& norm, BlockHalf half, bool finalNorm = false) {
        if (norm.kind == NormSpec::Kind::None || norm.gain.rows != 1 || norm.gain.cols != spec_.hidden)
            return {};
        QS_TRY(const Matrix gain, toHost(norm.gain));
        result_.trace.gains.push_back(
            {index_, half, finalNorm, std::vector<float>(gain.data(), gain.data() + gain.size())});
        return {};
    }

    Result<void> finish(const Tensor& hidden) {
        QS_TRY(const DeviceNorm norm, loadNorm(spec_.head.norm, weights_, backend_));
        if (norm.kind == NormSpec::Kind::None) {
            if (wants(kFinalNorm)) return Error::unsupported("the model has no final norm to record");
            return {};
        }
        index_ = spec_.blocks.size();
        if (request_.trace) QS_CHECK(addGain(norm, BlockHalf::Attention, true));
        QS_TRY(Tensor y, backend_.allocate(hidden.rows, hidden.cols));
        QS_CHECK(norm.apply(backend_, hidden, y));
        QS_TRY(const Matrix host, toHost(y));
        record(kFinalNorm, host.view());
        addPoint({TracePoint::Kind::FinalNorm, index_, BlockHalf::Attention, {}, 0}, host.view());
        return {};
    }

    const ModelSpec& spec_;
    const WeightSource& weights_;
    const ProbeRequest& request_;
    Backend& backend_;
    const JobContext& job_;
    const ProbeListener& listener_;
    std::vector<TokenClass> classes_;
    ProbeResult result_;
    size_t lastBlock_ = 0; ///< blocks before it run
    size_t index_ = 0;     ///< of the block that runs
    DeviceBlock block_;
    Matrix downInput_;
    HalfPeaks halves_[2];
};

} // namespace

std::vector<std::string> probeSites(const ModelSpec& spec) {
    std::vector<std::string> names = {kEmbedding};
    for (size_t b = 0; b < spec.blocks.size(); ++b)
        for (const std::string& site : blockSites(spec, b))
            addUnique(names, site);
    if (spec.head.norm) names.push_back(kFinalNorm);
    return names;
}

bool isStreamSite(const ModelSpec& spec, const std::string& site) {
    if (site == kEmbedding || site == kFinalNorm) return true;
    for (size_t b = 0; b < spec.blocks.size(); ++b) {
        const BlockSpec& block = spec.blocks[b];
        const MlpSpec* dense = denseMlp(block);
        if (site == block.attention.q.site || (dense && site == dense->inputSite()) ||
            site == residualSite(b, BlockHalf::Attention) || site == residualSite(b, BlockHalf::FeedForward))
            return true;
    }
    return false;
}

bool writesStream(const ModelSpec& spec, const std::string& module) {
    return std::any_of(spec.blocks.begin(), spec.blocks.end(), [&](const BlockSpec& b) {
        const MlpSpec* dense = denseMlp(b);
        return module == b.attention.o.module || (dense && module == dense->down.module);
    });
}

Result<ProbeResult> probe(const ModelSpec& spec, const WeightSource& weights, const ProbeRequest& request,
                          Backend& backend, const JobContext& job, const ProbeListener& listener) {
    return Prober(spec, weights, request, backend, job, listener).run();
}

} // namespace qs

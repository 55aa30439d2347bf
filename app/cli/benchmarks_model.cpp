// SPDX-License-Identifier: Apache-2.0
#include "app/cli/benchmarks.h"
#include "core/backend/selftest/cases.h"
#include "core/backend/sums.h"
#include "core/metrics/channel_stats.h"
#include "core/model/forward.h"
#include "core/quant/method.h"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

namespace qs::cli {

namespace {

using selftest::randomMatrix;

// A 1.1 B-parameter Llama: 22 blocks of 44 M weights, a head of 65 M.
constexpr size_t kHidden = 2048, kIntermediate = 5632, kHeads = 32, kKvHeads = 4, kHeadDim = 64,
                 kVocabulary = 32000, kBlocks = 22, kWindow = 512, kTokens = 2048;
constexpr double kGiga = 1e-9;

/// Random values for any name, by its shape.
class RandomWeights final : public WeightSource {
public:
    void declare(const std::string& name, size_t rows, size_t cols) { shapes_[name] = {rows, cols}; }
    Result<Matrix> matrix(const std::string& name) const override {
        const auto& [rows, cols] = shapes_.at(name);
        return randomMatrix(rows, cols, std::hash<std::string>()(name), 0.03);
    }
    std::string fingerprint() const override { return {}; }
    std::string label() const override { return "random weights"; }

private:
    std::map<std::string, std::pair<size_t, size_t>> shapes_;
};

LinearSpec linear(RandomWeights& weights, const std::string& module, const std::string& site, size_t out,
                  size_t in) {
    LinearSpec l;
    l.module = l.weight = module;
    l.site = site;
    l.out = out;
    l.in = in;
    weights.declare(module, out, in);
    return l;
}

NormSpec norm(RandomWeights& weights, const std::string& name) {
    NormSpec n;
    n.kind = NormSpec::Kind::Rms;
    n.gain = {name};
    n.size = kHidden;
    weights.declare(name, 1, kHidden);
    return n;
}

ModelSpec llamaShape(RandomWeights& weights) {
    ModelSpec spec;
    spec.hidden = kHidden;
    spec.vocabulary = kVocabulary;
    spec.context = kWindow;
    RopeSpec rope;
    rope.dims = kHeadDim;
    spec.ropes = {rope};
    BlockSpec b;
    b.attentionNorms.before = norm(weights, "norm1");
    b.mlpNorms.before = norm(weights, "norm2");
    b.attention.q = linear(weights, "q", "attn", kHidden, kHidden);
    b.attention.k = linear(weights, "k", "attn", kKvHeads * kHeadDim, kHidden);
    b.attention.v = linear(weights, "v", "attn", kKvHeads * kHeadDim, kHidden);
    b.attention.o = linear(weights, "o", "out", kHidden, kHidden);
    b.attention.heads = kHeads;
    b.attention.kvHeads = kKvHeads;
    b.attention.headDim = kHeadDim;
    b.attention.rope = 0;
    b.attention.scale = 0.125;
    b.mlp.gate = linear(weights, "gate", "mlp", kIntermediate, kHidden);
    b.mlp.up = linear(weights, "up", "mlp", kIntermediate, kHidden);
    b.mlp.down = linear(weights, "down", "down", kHidden, kIntermediate);
    spec.blocks = {b};
    spec.head.norm = norm(weights, "norm");
    spec.head.weight = "head";
    weights.declare("head", kVocabulary, kHidden);
    return spec;
}

/// What calibration collects of a site: Sigma and channel statistics.
struct Collected {
    std::unique_ptr<SecondMoment> sigma;
    std::unique_ptr<ColumnTally> tally; ///< null: `stats` are taken in host memory
    ChannelAccumulator stats;
};

Result<double> gptqSeconds(Backend& backend, size_t rows, size_t cols, const MatrixD& sigma) {
    const Matrix w = randomMatrix(rows, cols, 3, 0.03);
    QS_TRY(const MethodDescriptor* method, findMethod("gptq"));
    QS_TRY(const CodecDescriptor* codec, findCodec("int"));
    QS_TRY(const Params grid, Params::fromJson(codec->params, {{"bits", 4}, {"group", 128}}, "int"));
    QS_TRY(const auto made, codec->create(grid));
    QuantizeInput in;
    in.weight = w.view();
    in.codec = made.get();
    in.sigma = &sigma;
    in.params = Params::defaults(method->params);
    in.backend = &backend;
    return secondsOf([&]() -> Result<void> {
        QS_CHECK(method->quantize(in, {}));
        return {};
    });
}

/// Factor and inverse, n^3 / 3 each, and the updates.
double gptqFlops(size_t rows, size_t cols) {
    const double n = double(cols), m = double(rows);
    return 2.0 / 3.0 * n * n * n + m * n * n;
}

using Sites = std::map<std::string, Collected>;

/// One block of the shape with random hidden states, run forward.
class BlockBench {
public:
    static Result<std::unique_ptr<BlockBench>> create(Backend& backend) {
        std::unique_ptr<BlockBench> b(new BlockBench(backend));
        QS_TRY(Forward forward, Forward::create(b->spec_, backend, kWindow));
        b->forward_.emplace(std::move(forward));
        QS_TRY(b->block_, b->forward_->loadBlock(0, b->weights_));
        QS_TRY(ActivationStore states, ActivationStore::create(kTokens, kHidden, SIZE_MAX));
        QS_TRY(const MatrixView to, states.rows(0, kTokens));
        std::copy_n(b->hidden_.data(), b->hidden_.size(), to.data);
        b->states_.emplace(std::move(states));
        return b;
    }

    /// States stay where the pass keeps them between blocks.
    Result<void> run(const SiteHook& hook) {
        QS_CHECK(forward_->runBlock(0, block_, *states_, hook, false, {}));
        const auto held = states_->held(0, kTokens);
        return held ? finish(backend_, *held) : Result<void>();
    }

    /// A run that collects what calibration does.
    Result<void> calibrate(Sites& sites) {
        return run([&](const std::string& site, const Tensor& at) -> Result<void> {
            Collected& c = sites.at(site);
            QS_CHECK(c.sigma->add(at));
            if (c.tally) return c.tally->add(at);
            Matrix storage;
            QS_TRY(const ConstMatrixView host, backend_.hostView(at, storage));
            c.stats.add(host);
            return {};
        });
    }

    Result<Sites> sites() const {
        Sites out;
        for (const LinearSpec* l : spec_.blocks[0].linears()) {
            QS_TRY(auto sigma, backend_.secondMoment(l->in));
            QS_TRY(auto tally, backend_.columnTally(std::vector<float>(l->in)));
            out.try_emplace(l->site,
                            Collected{std::move(sigma), std::move(tally), ChannelAccumulator(l->in)});
        }
        return out;
    }

    Result<double> headSeconds() {
        QS_TRY(Head head, Head::create(spec_, weights_, backend_));
        std::vector<uint32_t> rows(kTokens), targets(kTokens, 1);
        std::iota(rows.begin(), rows.end(), 0u);
        return secondsOf([&]() -> Result<void> {
            QS_TRY(const Tensor logits, head.apply(hidden_.view()));
            QS_CHECK(backend_.scoreLogits(logits, rows, targets, nullptr));
            return {};
        });
    }

private:
    explicit BlockBench(Backend& backend) : backend_(backend), spec_(llamaShape(weights_)) {}

    Backend& backend_;
    RandomWeights weights_; ///< before spec_, which declares them
    ModelSpec spec_;
    std::optional<Forward> forward_;
    DeviceBlock block_;
    Matrix hidden_ = randomMatrix(kTokens, kHidden, 5);
    std::optional<ActivationStore> states_; ///< they grow from run to run
};

/// Of the forward pass of a block over kTokens tokens; half of the scores are causal.
double blockFlops() {
    const double weights =
        double(kHidden) * (2.0 * kHidden + 2.0 * kKvHeads * kHeadDim + 3.0 * kIntermediate);
    return kTokens * (2 * weights + 2.0 * kWindow * kHidden);
}

Result<void> benchGptq(Backend& backend, Sites& sites, const Ceilings& ceilings, const JobContext& job,
                       Figures& out) {
    std::map<std::string, MatrixD> moments;
    for (const auto& [rows, cols, site] : {std::tuple<size_t, size_t, const char*>{kHidden, kHidden, "attn"},
                                           {kIntermediate, kHidden, "mlp"},
                                           {kHidden, kIntermediate, "down"}}) {
        if (sites.at(site).sigma) {
            QS_TRY(moments[site], sites.at(site).sigma->take());
            sites.at(site).sigma.reset();
        }
        QS_TRY(const double s, gptqSeconds(backend, rows, cols, moments.at(site)));
        out.push_back({fmt::format("GPTQ, 4 bits in groups of 128, w [{}, {}]", rows, cols),
                       gptqFlops(rows, cols) / s * kGiga, "GFLOP/s", ceilings.f32, "f32 product rate"});
        QS_CHECK(job.checkpoint());
    }
    return {};
}

} // namespace

Result<Figures> benchModel(Backend& backend, const Ceilings& ceilings, const JobContext& job) {
    Figures out;
    QS_TRY(const auto bench, BlockBench::create(backend));
    QS_TRY(const double forwardSeconds, secondsOf([&] { return bench->run({}); }));
    QS_CHECK(job.checkpoint());
    out.push_back({fmt::format("forward of a block, {} tokens in windows of {}", kTokens, kWindow),
                   blockFlops() / forwardSeconds * kGiga, "GFLOP/s",
                   backend.precision() == Precision::BF16 ? ceilings.bf16 : ceilings.f32,
                   fmt::format("{} product rate", precisionName(backend.precision()))});
    QS_TRY(Sites sites, bench->sites());
    QS_TRY(const double calibrationSeconds, secondsOf([&] { return bench->calibrate(sites); }));
    QS_CHECK(job.checkpoint());
    out.push_back(
        {"calibration of a block, times its forward", calibrationSeconds / forwardSeconds, "x", 0, ""});
    QS_TRY(const double headSeconds, bench->headSeconds());
    QS_CHECK(job.checkpoint());
    out.push_back({fmt::format("forward of {} such blocks and the head", kBlocks),
                   kTokens / (kBlocks * forwardSeconds + headSeconds), "tokens/s", 0, ""});
    QS_CHECK(benchGptq(backend, sites, ceilings, job, out));
    return out;
}

} // namespace qs::cli

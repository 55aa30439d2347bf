// SPDX-License-Identifier: Apache-2.0
#include "app/cli/benchmarks.h"
#include "core/backend/selftest/cases.h"
#include "core/base/timing.h"
#include "core/linalg/second_moment.h"
#include "core/metrics/channel_stats.h"
#include "core/model/forward.h"
#include "core/quant/method.h"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

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

/// Best wall seconds of a call that may fail.
template<class F>
Result<double> seconds(const F& call) {
    Result<void> failed;
    const Timing t = bestTiming([&] {
        if (auto r = call(); !r) failed = std::move(r);
    });
    if (!failed) return failed.takeError();
    return t.wall;
}

/// What calibration collects of a site: Sigma and channel statistics.
struct Collected {
    MatrixD sigma;
    ChannelAccumulator stats;
    explicit Collected(size_t channels) : sigma(channels, channels), stats(channels) {}
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
    return seconds([&]() -> Result<void> {
        QS_CHECK(method->quantize(in, {}));
        return {};
    });
}

/// 2 x factor and inverse (n^3 / 3 each, as METHODS counts them) and the updates.
double gptqFlops(size_t rows, size_t cols) {
    const double n = double(cols), m = double(rows);
    return 2.0 / 3.0 * n * n * n + m * n * n;
}

} // namespace

Result<Figures> benchModel(Backend& backend, const Ceilings& ceilings, const JobContext& job) {
    Figures out;
    RandomWeights weights;
    const ModelSpec spec = llamaShape(weights);
    const double ceiling = backend.precision() == Precision::BF16 ? ceilings.bf16 : ceilings.f32;
    const std::string of = fmt::format("{} product rate", precisionName(backend.precision()));
    QS_TRY(Forward forward, Forward::create(spec, backend, kWindow));
    QS_TRY(const DeviceBlock block, forward.loadBlock(0, weights));
    const Matrix hidden = randomMatrix(kTokens, kHidden, 5);
    Tensor x;
    const auto run = [&](const SiteHook& hook) -> Result<void> {
        QS_CHECK(backend.upload(hidden.view(), x));
        QS_CHECK(forward.runBlock(0, block, x, hook));
        Matrix done(kTokens, kHidden);
        return backend.download(x, done.view());
    };
    QS_TRY(const double forwardSeconds, seconds([&] { return run({}); }));
    QS_CHECK(job.checkpoint());
    const double blockWeights =
        double(kHidden) * (2.0 * kHidden + 2.0 * kKvHeads * kHeadDim + 3.0 * kIntermediate);
    const double flops = kTokens * (2 * blockWeights + 2.0 * kWindow * kHidden);
    out.push_back({fmt::format("forward of a block, {} tokens in windows of {}", kTokens, kWindow),
                   flops / forwardSeconds * kGiga, "GFLOP/s", ceiling, of});
    std::map<std::string, Collected> sites;
    for (const LinearSpec* l : spec.blocks[0].linears())
        sites.try_emplace(l->site, l->in);
    const SiteHook collect = [&](const std::string& site, const Tensor& at) -> Result<void> {
        Collected& c = sites.at(site);
        QS_CHECK(backend.accumulateSigma(at, c.sigma));
        Matrix storage;
        QS_TRY(const ConstMatrixView host, backend.hostView(at, storage));
        c.stats.add(host);
        return {};
    };
    QS_TRY(const double calibrationSeconds, seconds([&] { return run(collect); }));
    QS_CHECK(job.checkpoint());
    out.push_back(
        {"calibration of a block, times its forward", calibrationSeconds / forwardSeconds, "x", 0, ""});
    QS_TRY(Head head, Head::create(spec, weights, backend));
    QS_TRY(const double headSeconds, seconds([&]() -> Result<void> {
               QS_CHECK(head.logits(hidden.view()));
               return {};
           }));
    QS_CHECK(job.checkpoint());
    out.push_back({fmt::format("forward of {} such blocks and the head", kBlocks),
                   kTokens / (kBlocks * forwardSeconds + headSeconds), "tokens/s", 0, ""});
    for (auto& site : sites)
        linalg::mirrorUpper(site.second.sigma.view());
    for (const auto& [rows, cols, site] : {std::tuple<size_t, size_t, const char*>{kHidden, kHidden, "attn"},
                                           {kIntermediate, kHidden, "mlp"},
                                           {kHidden, kIntermediate, "down"}}) {
        QS_TRY(const double s, gptqSeconds(backend, rows, cols, sites.at(site).sigma));
        out.push_back({fmt::format("GPTQ, 4 bits in groups of 128, w [{}, {}]", rows, cols),
                       gptqFlops(rows, cols) / s * kGiga, "GFLOP/s", ceilings.f32, "f32 product rate"});
        QS_CHECK(job.checkpoint());
    }
    return out;
}

} // namespace qs::cli

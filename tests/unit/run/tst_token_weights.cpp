// SPDX-License-Identifier: Apache-2.0
// Tokens that count by the attention they receive.
#include "core/linalg/blas.h"
#include "core/run/run.h"
#include "core/run/token_weights.h"
#include "tests/support/qs_test.h"
#include "tests/support/small_model.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

class TokenWeightsTest : public QObject {
    Q_OBJECT
    static TokenWindows tokens() {
        TokenWindows t(3, 16);
        for (size_t i = 0; i < t.size(); ++i)
            t.data()[i] = int32_t((i * 31 + i / 7) % 50);
        return t;
    }

private slots:
    void linearWithinAContext() {
        const double received[] = {0.5, 0.1, 0.3};
        const auto r = tokenWeights(received, 0.2);
        QVERIFY(std::fabs(r[0] - 1) < 1e-6f && std::fabs(r[1] - 0.2f) < 1e-6f &&
                std::fabs(r[2] - 0.6f) < 1e-6f);
        const double even[] = {0.25, 0.25};
        QCOMPARE(tokenWeights(even, 0.2), (std::vector<float>{1, 1}));
    }

    /// Sigma of every site of a block against plain loops over what the pass shows: softmax of the scores,
    /// means over heads and queries, x x^T.
    void sigmaOfABlock() {
        const auto dir = scratchDir("token-weights-model");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = *openModel(dir);
        auto backend = makeCpuBackend();
        const BlockSpec& block = model->spec().blocks[0];
        auto forward = *Forward::create(model->spec(), *backend, 16);
        auto hidden = *ActivationStore::create(48, model->spec().hidden, size_t(1) << 30);
        const TokenWindows t = tokens();
        QS_VERIFY_OK(forward.embed(t.span(), *modelWeights(*model), hidden));
        const auto loaded = *forward.loadBlock(0, *modelWeights(*model));
        const auto copy = [&](const Tensor& x) {
            Matrix m(x.rows, x.cols);
            if (!backend->download(x, m.view())) qFatal("download");
            return m;
        };
        std::map<std::string, Matrix> inputs;
        Matrix q, k;
        AttentionShape scores;
        BlockWatch watch;
        watch.attention = [&](const Tensor& a, const Tensor& b, const AttentionShape& s) -> Result<void> {
            q = copy(a);
            k = copy(b);
            scores = s;
            return {};
        };
        forward.watch(watch);
        QS_VERIFY_OK(forward.runBlock(0, loaded, hidden,
                                      [&](const std::string& site, const Tensor& x) -> Result<void> {
                                          inputs[site] = copy(x);
                                          return {};
                                      },
                                      true, {}));
        std::vector<double> r(48, 0.0);
        const size_t d = model->spec().headDim;
        for (size_t w = 0; w < 3; ++w) {
            for (size_t h = 0; h < 4; ++h)
                for (size_t i = 0; i < 16; ++i) {
                    std::vector<double> p(i + 1);
                    double sum = 0;
                    for (size_t j = 0; j <= i; ++j) {
                        double dot = 0;
                        for (size_t c = 0; c < d; ++c)
                            dot += double(q(w * 16 + i, h * d + c)) * double(k(w * 16 + j, h / 2 * d + c));
                        sum += p[j] = std::exp(dot / std::sqrt(double(d)));
                    }
                    for (size_t j = 0; j <= i; ++j)
                        r[w * 16 + j] += p[j] / sum;
                }
            const auto [lo, hi] =
                std::minmax_element(r.begin() + long(w * 16), r.begin() + long(w * 16 + 16));
            const double least = *lo, most = *hi;
            for (size_t j = w * 16; j < w * 16 + 16; ++j)
                r[j] = 0.1 + 0.9 * (r[j] - least) / (most - least);
        }
        std::map<std::string, MatrixD> sigma;
        const JobContext job;
        AttentionWeighting weighting(
            *backend, block.attention.q.site, 0.1,
            [&](const std::string& site, const Tensor& x) -> Result<void> {
                QS_TRY(const auto moment, backend->secondMoment(x.cols)); // the store is one batch
                QS_CHECK(moment->add(x));
                QS_TRY(sigma[site], moment->take());
                return {};
            },
            job);
        watch.attention = [&](const Tensor& a, const Tensor& b, const AttentionShape& s) {
            return weighting.attention(a, b, s);
        };
        forward.watch(watch);
        QS_VERIFY_OK(forward.runBlock(
            0, loaded, hidden,
            [&](const std::string& site, const Tensor& x) { return weighting.site(site, x); }, true, job));
        QCOMPARE(sigma.size(), inputs.size());
        QVERIFY(sigma.count(block.attention.q.site) && sigma.count(block.mlp.down.site));
        for (const auto& [site, x] : inputs) {
            const MatrixD& have = sigma.at(site);
            for (size_t i = 0; i < x.cols(); ++i)
                for (size_t j = 0; j < x.cols(); ++j) {
                    double expected = 0, size = 0;
                    for (size_t row = 0; row < 48; ++row) {
                        expected += r[row] * double(x(row, i)) * double(x(row, j));
                        size += r[row] * std::fabs(double(x(row, i)) * double(x(row, j)));
                    }
                    QVERIFY2(std::fabs(have(i, j) - expected) <= 1e-4 * size,
                             qPrintable(QString("%1 [%2, %3]").arg(site.c_str()).arg(i).arg(j)));
                }
        }
    }

    /// Runs see it, keep it in their plan, and end the same after an interruption.
    void runs() {
        const auto dir = scratchDir("token-weights-run-model");
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(dir, shape, smallConfig(shape)));
        const auto model = *openModel(dir);
        auto backend = makeCpuBackend();
        const auto calibration =
            calibrate(*model, tokens(), {}, scratchDir("token-weights-cal") / "c.h5", *backend, {});
        QS_VERIFY_OK(calibration);
        const auto codes = [&](std::optional<TokenWeights> weights, bool interrupt, const char* name) {
            Recipe recipe = Recipe::uniform(*Scheme::fromJson(
                {{"codec", "int"}, {"codec_params", {{"bits", 3}, {"group", -1}}}, {"method", "gptq"}},
                "test"));
            recipe.tokenWeights = weights;
            const auto again = Recipe::fromJson(recipe.toJson(), "test");
            if (!again || !(*again == recipe)) qFatal("the recipe changed");
            RunOptions options;
            options.directory = scratchDir(name);
            std::stop_source stop;
            options.unitFinished = [&](int, const std::vector<TensorResult>&) {
                if (interrupt) stop.request_stop();
            };
            const Plan plan = resolvePlan(recipe, *model);
            auto run = executePlan(*model, plan, calibration->get(), options, *backend,
                                   JobContext(stop.get_token()));
            if (interrupt) {
                options.unitFinished = {};
                run = executePlan(*model, plan, calibration->get(), options, *backend, {});
            }
            if (!run) qFatal("%s", run.error().describe().c_str());
            return (*run)->tensor("layers.1.mlp.down_proj")->codes;
        };
        const auto plain = codes(std::nullopt, false, "token-weights-none"),
                   weighted = codes(TokenWeights{0.005}, false, "token-weights-some");
        QVERIFY(plain != weighted);
        QVERIFY(weighted == codes(TokenWeights{0.005}, true, "token-weights-resumed"));
        QVERIFY(plain == codes(TokenWeights{1}, false, "token-weights-one"));
        for (const json& bad :
             {json(1), json::object(), json{{"least", 2}}, json{{"least", 0.1}, {"most", 1}}})
            QVERIFY(!ModelSettings::fromJson({{"token_weights", bad}}, "test"));
    }
};

QS_TEST(TokenWeightsTest)
#include "tst_token_weights.moc"

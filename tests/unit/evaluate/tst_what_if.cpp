// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/what_if.h"
#include "core/quant/method.h"
#include "tests/unit/architecture/golden_case.h"

using namespace qs;
using namespace qs::test;

namespace {

/// A model's weights with some set by hand: the independent way to the same change.
class Patched final : public WeightSource {
public:
    std::shared_ptr<const WeightSource> base;
    std::string name;
    std::function<void(Matrix&)> patch;
    Result<Matrix> matrix(const std::string& n) const override {
        auto m = base->matrix(n);
        if (m && n == name) patch(*m);
        return m;
    }
    std::string fingerprint() const override { return "patched"; }
    std::string label() const override { return "patched"; }
};

} // namespace

class WhatIfTest : public QObject {
    Q_OBJECT
private slots:
    void zeroIsMeasuredByRunning() {
        const auto model = openCase("llama");
        const auto backend = makeCpuBackend(2);
        TokenWindows tokens(1, 24);
        std::ranges::copy(goldenTokens("llama"), tokens.data());
        WhatIfRequest request;
        request.weight = model->spec().blocks[0].mlp.down.weight;
        request.kept = {{3, 5}, {7, 11}};
        request.changes = {Change::Zero};
        const auto result = whatIf(model->spec(), modelWeights(*model), request, tokens, *backend, {});
        QS_VERIFY_OK(result);
        QCOMPARE(result->tokens, uint64_t(23));
        QCOMPARE(result->after.size(), size_t(1));

        Patched zero;
        zero.base = modelWeights(*model);
        zero.name = request.weight;
        zero.patch = [](Matrix& m) { m(3, 5) = m(7, 11) = 0; };
        const auto before = computeLogits(model->spec(), *zero.base, tokens.span(), *backend, {});
        const auto after = computeLogits(model->spec(), zero, tokens.span(), *backend, {});
        QS_VERIFY_OK(before);
        QS_VERIFY_OK(after);
        double lossBefore = 0, lossAfter = 0, kl = 0;
        for (size_t t = 0; t + 1 < 24; ++t) {
            const auto logSum = [t](const Matrix& l) {
                double sum = 0;
                for (size_t v = 0; v < l.cols(); ++v)
                    sum += std::exp(double(l(t, v)));
                return std::log(sum);
            };
            const double a = logSum(*before), b = logSum(*after);
            lossBefore += a - double((*before)(t, size_t(tokens(0, t + 1))));
            lossAfter += b - double((*after)(t, size_t(tokens(0, t + 1))));
            for (size_t v = 0; v < before->cols(); ++v) {
                const double p = double((*before)(t, v)) - a, q = double((*after)(t, v)) - b;
                kl += std::exp(p) * (p - q);
            }
        }
        QVERIFY(std::fabs(result->loss - lossBefore / 23) <= 1e-5);
        QVERIFY(std::fabs(result->after[0].loss - lossAfter / 23) <= 1e-5);
        QVERIFY(std::fabs(result->after[0].kl - kl / 23) <= 1e-6);
        QVERIFY(result->after[0].kl > 1e-6); // the two weights matter
    }

    /// The tensor rounded to nearest, with and without one weight that keeps its value.
    void roundRestKeepsTheNamedWeights() {
        const auto model = openCase("llama");
        const auto backend = makeCpuBackend(2);
        TokenWindows tokens(1, 24);
        std::ranges::copy(goldenTokens("llama"), tokens.data());
        const auto base = modelWeights(*model);
        WhatIfRequest request;
        request.weight = model->spec().blocks[1].mlp.down.weight;
        request.kept = {{4, 6}};
        request.changes = {Change::Round, Change::RoundRest};
        const auto params =
            Params::fromJson((*findCodec("int"))->params, {{"bits", 2}, {"group", -1}}, "test");
        QS_VERIFY_OK(params);
        const auto codec = createCodec("int", *params);
        QS_VERIFY_OK(codec);
        request.codec = *codec;
        const auto result = whatIf(model->spec(), base, request, tokens, *backend, {});
        QS_VERIFY_OK(result);
        QCOMPARE(result->after.size(), size_t(2));

        const auto weight = base->matrix(request.weight);
        QS_VERIFY_OK(weight);
        QuantizeInput in;
        in.weight = weight->view();
        in.codec = codec->get();
        in.params = Params::defaults((*findMethod("rtn"))->params);
        const auto rounded = (*findMethod("rtn"))->quantize(in, {});
        QS_VERIFY_OK(rounded);
        const Matrix values = (*codec)->dequantize(*rounded);
        QVERIFY(values(4, 6) != (*weight)(4, 6));
        for (const bool keep : {false, true}) {
            Patched patched;
            patched.base = base;
            patched.name = request.weight;
            patched.patch = [&](Matrix& m) {
                for (size_t i = 0; i < m.size(); ++i)
                    if (!keep || i != 4 * m.cols() + 6) m.data()[i] = values.data()[i];
            };
            const auto direct = evaluate(model->spec(), patched, base.get(), tokens, {}, *backend, {});
            QS_VERIFY_OK(direct);
            QVERIFY(std::fabs(result->after[keep ? 1 : 0].kl - direct->kl) <= 1e-9);
            QVERIFY(std::fabs(result->after[keep ? 1 : 0].loss - direct->nll) <= 1e-9);
        }
        QVERIFY(result->after[0].kl != result->after[1].kl);
    }

    void refuses() {
        const auto model = openCase("llama");
        const auto backend = makeCpuBackend(2);
        TokenWindows tokens(1, 24);
        std::ranges::copy(goldenTokens("llama"), tokens.data());
        WhatIfRequest request;
        request.weight = model->spec().blocks[0].mlp.down.weight;
        request.changes = {Change::Zero};
        request.kept = {{1000, 0}};
        const auto outside = whatIf(model->spec(), modelWeights(*model), request, tokens, *backend, {});
        QVERIFY(!outside && outside.error().describe().find("[1000, 0]") != std::string::npos);
        request.kept = {};
        request.changes = {Change::Round};
        const auto noCodec = whatIf(model->spec(), modelWeights(*model), request, tokens, *backend, {});
        QVERIFY(!noCodec);
    }
};

QS_TEST(WhatIfTest)
#include "tst_what_if.moc"

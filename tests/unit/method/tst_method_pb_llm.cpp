// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

std::shared_ptr<const Codec> binary(int group, const char* type = "f32") {
    const CodecDescriptor* d = *findCodec("bcq");
    return *d->create(*Params::fromJson(
        d->params, {{"bits", 1}, {"group", group}, {"rounds", 0}, {"scale_dtype", type}}, "test"));
}

/// Inputs that do not depend on each other: nothing is passed on from column to column.
Layer withoutCorrelation(size_t rows, size_t cols, uint64_t seed) {
    Layer l = makeLayer(rows, cols, 2, seed);
    for (size_t i = 0; i < cols; ++i)
        for (size_t j = 0; j < cols; ++j)
            l.sigma(i, j) = i == j ? 1.0 + double(i % 5) * 3 : 0;
    return l;
}

} // namespace

class Method_pb_llm : public QObject {
    Q_OBJECT
private slots:
    /// One row, one group, by hand: -1 and 3 are the salient ones; the others have mean 0.25 and mean
    /// deviation 1/3 (0.25 0.5 0.5 0.125 0.5 0.125).
    void byHand() {
        Layer l = withoutCorrelation(1, 8, 1);
        const float w[] = {0.5f, -0.25f, 3, 0.75f, 0.375f, -1, -0.25f, 0.375f};
        std::copy_n(w, 8, l.weight.data());
        for (size_t i = 0; i < 8; ++i)
            l.sigma(i, i) = 2;
        auto backend = makeCpuBackend(1);
        const auto codec = binary(8);
        const auto q = runMethod("pb_llm", l, *codec, *backend, {{"low_frac", 0.75}});
        QS_VERIFY_OK(q);
        // 3 / 127 = 12.09... / 512: the next scale of 4 bits is 13 / 512.
        QCOMPARE(q->extras.kept.scale, (std::vector<float>{13.0f / 512}));
        const float low = 0.25f - 1.0f / 3, high = 0.25f + 1.0f / 3;
        const float expected[] = {high, low, 118 * 13.0f / 512, high, high, -39 * 13.0f / 512, low, high};
        const Matrix v = codec->dequantize(*q);
        for (size_t i = 0; i < 8; ++i)
            QVERIFY2(std::fabs(v(0, i) - expected[i]) <= 1e-5f,
                     qPrintable(QString("%1: %2, expected %3").arg(i).arg(v(0, i)).arg(expected[i])));
    }

    /// Against a loop over the equations: salience w^2 H_jj for a diagonal H, masked means, 8 bits of a row.
    void withoutCorrelationItRoundsEachByItself() {
        const Layer l = withoutCorrelation(12, 64, 5);
        auto backend = makeCpuBackend(2);
        const auto codec = binary(16);
        double trace = 0;
        for (size_t c = 0; c < 64; ++c)
            trace += l.sigma(c, c);
        for (const char* salience : {"sigma", "magnitude"}) {
            const auto q =
                runMethod("pb_llm", l, *codec, *backend, {{"low_frac", 0.8}, {"salience", salience}});
            QS_VERIFY_OK(q);
            std::vector<double> score(l.weight.size()), sorted;
            for (size_t i = 0; i < score.size(); ++i) {
                const double w = double(l.weight.data()[i]);
                const double h = l.sigma(i % 64, i % 64) + 0.01 * trace / 64;
                score[i] = salience == std::string("sigma") ? w * w * h : std::fabs(w);
            }
            sorted = score;
            std::sort(sorted.rbegin(), sorted.rend());
            const double bound = sorted[154]; // 768 - 614 are kept, the first 154
            const Matrix v = codec->dequantize(*q);
            for (size_t r = 0; r < 12; ++r) {
                double largest = 0;
                for (size_t c = 0; c < 64; ++c)
                    if (score[r * 64 + c] > bound)
                        largest = std::max(largest, std::fabs(double(l.weight(r, c))));
                for (size_t g = 0; g < 64; g += 16) {
                    double mean = 0, deviation = 0, n = 0;
                    for (size_t c = g; c < g + 16; ++c)
                        if (!(score[r * 64 + c] > bound)) {
                            mean += double(l.weight(r, c));
                            ++n;
                        }
                    mean /= n;
                    for (size_t c = g; c < g + 16; ++c)
                        if (!(score[r * 64 + c] > bound))
                            deviation += std::fabs(double(l.weight(r, c)) - mean) / n;
                    for (size_t c = g; c < g + 16; ++c) {
                        const double w = double(l.weight(r, c)), have = double(v(r, c));
                        if (score[r * 64 + c] > bound)
                            QVERIFY(std::fabs(have - w) <= largest / 127 * 0.5626); // 9 / 8 of half a step
                        else
                            QVERIFY(std::fabs(have - (w < mean ? mean - deviation : mean + deviation)) <=
                                    1e-5);
                    }
                }
            }
        }
    }

    /// All weights low is GPTQ; the salience that knows the inputs serves the output better than magnitude.
    void choosesWell() {
        const Layer l = makeLayer(64, 128, 500, 8);
        auto backend = makeCpuBackend(2);
        const auto codec = binary(32, "f16");
        const auto error = [&](const char* method, const nlohmann::json& params) {
            return outputError(l, codec->dequantize(*runMethod(method, l, *codec, *backend, params)));
        };
        QCOMPARE(error("pb_llm", {{"low_frac", 1.0}}), error("gptq", {}));
        double last = error("gptq", {});
        for (const double low : {0.95, 0.9, 0.7}) {
            const double now = error("pb_llm", {{"low_frac", low}}),
                         size = error("pb_llm", {{"low_frac", low}, {"salience", "magnitude"}});
            QVERIFY2(now < last && now < size,
                     qPrintable(QString("%1: %2, after %3; %4").arg(low).arg(now).arg(last).arg(size)));
            last = now;
        }
    }
};

QS_TEST(Method_pb_llm)
#include "tst_method_pb_llm.moc"

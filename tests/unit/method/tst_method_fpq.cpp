// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

namespace {

/// Magnitudes of four bits with a sign, by exponent and mantissa.
const std::vector<std::pair<std::string, std::vector<double>>> kFormats = {
    {"e2m1", {0, 0.5, 1, 1.5, 2, 3, 4, 6}},
    {"e3m0", {0, 0.25, 0.5, 1, 2, 4, 8, 16}},
    {"e1m2", {0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75}}};

double nearest(double x, double scale, const std::vector<double>& levels) {
    double best = 0;
    for (const double level : levels)
        for (const double v : {scale * level, -scale * level})
            if (std::fabs(v - x) < std::fabs(best - x)) best = v;
    return best;
}

/// e Sigma e^T of one row by plain loops.
double rowLoss(const Layer& l, size_t r, const std::vector<double>& values) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i)
        for (size_t j = 0; j < values.size(); ++j)
            sum +=
                (values[i] - double(l.weight(r, i))) * l.sigma(i, j) * (values[j] - double(l.weight(r, j)));
    return sum;
}

std::shared_ptr<const Codec> floatCodec(const nlohmann::json& params) {
    return *createCodec("float", *Params::fromJson((*findCodec("float"))->params, params, "test"));
}

} // namespace

class Method_fpq : public QObject {
    Q_OBJECT
private slots:
    /// The least loss of every row over all shares, and the format whose rows lose least together.
    void bestOfAllRangesAndFormats_data() {
        QTest::addColumn<int>("seed");
        for (const int seed : {3, 4, 5})
            QTest::addRow("%d", seed) << seed;
    }
    void bestOfAllRangesAndFormats() {
        QFETCH(int, seed);
        const Layer l = makeLayer(6, 24, 60, uint64_t(seed));
        const auto codec = floatCodec({{"format", "e2m1"}, {"group", -1}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("fpq", l, *codec, *backend);
        QS_VERIFY_OK(q);
        std::string format;
        std::vector<double> best;
        double least = INFINITY;
        for (const auto& [name, levels] : kFormats) {
            std::vector<double> losses;
            double sum = 0;
            for (size_t r = 0; r < 6; ++r) {
                double top = 0, own = INFINITY;
                for (size_t c = 0; c < 24; ++c)
                    top = std::max(top, double(std::fabs(l.weight(r, c))));
                for (int i = 0; i <= 100; ++i) {
                    const double share = i == 0 ? 1 : 0.01 + 1.19 * i / 100;
                    std::vector<double> values;
                    for (size_t c = 0; c < 24; ++c)
                        values.push_back(
                            nearest(double(l.weight(r, c)), share * top / levels.back(), levels));
                    own = std::min(own, rowLoss(l, r, values));
                }
                losses.push_back(own);
                sum += own;
            }
            if (!(sum < least)) continue;
            least = sum;
            best = losses;
            format = name;
        }
        QCOMPARE(q->codecParams.choice("format"), format);
        const Matrix m = floatCodec(q->codecParams.toJson())->dequantize(*q);
        for (size_t r = 0; r < 6; ++r) {
            std::vector<double> values;
            for (size_t c = 0; c < 24; ++c)
                values.push_back(double(m(r, c)));
            const double own = rowLoss(l, r, values);
            QVERIFY2(std::fabs(own / best[r] - 1) <= 1e-3,
                     qPrintable(QString("row %1: %2, expected %3").arg(r).arg(own).arg(best[r])));
        }
    }
    void betterThanNearest() {
        const Layer l = makeLayer(32, 64, 256, 9);
        auto backend = makeCpuBackend(0);
        const auto codec = floatCodec({{"format", "e2m1"}, {"group", 32}});
        const auto own = runMethod("fpq", l, *codec, *backend),
                   mse = runMethod("rtn", l, *codec, *backend, {{"range", "mse"}});
        QS_VERIFY_OK(own);
        QS_VERIFY_OK(mse);
        const double a = outputError(l, floatCodec(own->codecParams.toJson())->dequantize(*own)),
                     b = outputError(l, codec->dequantize(*mse));
        qInfo("%.4g, by the weights' squares %.4g", a, b);
        QVERIFY(a < b);
    }
    void formatsWithoutRangesOfRows() {
        const Layer l = makeLayer(4, 32, 8, 1);
        auto backend = makeCpuBackend(1);
        const auto codec = *createCodec("mx", Params::defaults((*findCodec("mx"))->params));
        const auto q = runMethod("fpq", l, *codec, *backend);
        QVERIFY(!q && q.error().message.find("scale of its own for each row") != std::string::npos);
    }
};

QS_TEST(Method_fpq)
#include "tst_method_fpq.moc"

// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_adpq : public QObject {
    Q_OBJECT
private slots:
    /// min (w - v)^2 + lambda |v / w| over v, by a fine scan: 0 for the weights that are not kept, and only
    /// for them, when lambda lies between what the last of one and the first of the other ask for.
    void keptWeightsSolveTheLasso() {
        const Layer l = makeLayer(4, 16, 40, 91);
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"bits", 3}, {"group", -1}});
        const auto q = runMethod("adpq", l, *codec, *backend, {{"outliers", 0.125}});
        QS_VERIFY_OK(q);
        QCOMPARE(q->extras.kept.count(), size_t(8));
        std::vector<double> magnitudes;
        for (const float w : l.weight.span())
            magnitudes.push_back(std::fabs(double(w)));
        std::sort(magnitudes.rbegin(), magnitudes.rend());
        const double middle = (magnitudes[7] + magnitudes[8]) / 2, lambda = 2 * middle * middle;
        for (size_t r = 0; r < 4; ++r)
            for (size_t c = 0; c < 16; ++c) {
                const double w = std::fabs(double(l.weight(r, c)));
                double best = 0, least = w * w;
                for (int i = 1; i <= 4000; ++i) {
                    const double v = w * i / 4000, cost = (w - v) * (w - v) + lambda * v / w;
                    if (cost < least) {
                        least = cost;
                        best = v;
                    }
                }
                const auto& kept = q->extras.kept;
                const auto begin = kept.columns.begin() + kept.rowStart[r],
                           end = kept.columns.begin() + kept.rowStart[r + 1];
                QCOMPARE(std::find(begin, end, uint32_t(c)) != end, best > 0);
            }
    }
    void outliersNoLongerStretchGrids() {
        const Layer l = makeLayer(32, 256, 60, 92);
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"bits", 3}, {"group", -1}});
        const auto error = [&](double share) {
            const Matrix v =
                codec->dequantize(*runMethod("adpq", l, *codec, *backend, {{"outliers", share}}));
            double sum = 0;
            for (size_t i = 0; i < v.size(); ++i)
                sum += std::pow(double(v.data()[i]) - double(l.weight.data()[i]), 2);
            return sum;
        };
        const double none = error(0), few = error(0.005), more = error(0.02);
        QVERIFY2(few < 0.8 * none && more < 0.6 * few,
                 qPrintable(QString("%1 %2 %3").arg(none).arg(few).arg(more)));
        QVERIFY(none == [&] {
            const Matrix v = codec->dequantize(*runMethod("rtn", l, *codec, *backend));
            double sum = 0;
            for (size_t i = 0; i < v.size(); ++i)
                sum += std::pow(double(v.data()[i]) - double(l.weight.data()[i]), 2);
            return sum;
        }());
    }
};

QS_TEST(Method_adpq)
#include "tst_method_adpq.moc"

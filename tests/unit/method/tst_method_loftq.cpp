// SPDX-License-Identifier: Apache-2.0
#include "core/quant/low_rank/low_rank.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_loftq : public QObject {
    Q_OBJECT
    static double weightError(const Layer& l, const Matrix& values) {
        double sum = 0;
        for (size_t i = 0; i < values.size(); ++i)
            sum += std::pow(double(l.weight.data()[i]) - double(values.data()[i]), 2);
        return sum;
    }
private slots:
    /// One turn: nearest codes of W, then the best product for what they left.
    void firstTurn() {
        const Layer l = makeLayer(32, 64, 50, 21);
        const auto codec = intCodec({{"bits", 3}, {"group", 32}});
        auto backend = makeCpuBackend(1);
        const auto rtn = runMethod("rtn", l, *codec, *backend),
                   own = runMethod("loftq", l, *codec, *backend, {{"iterations", 1}, {"rank", 4}});
        QS_VERIFY_OK(own);
        QCOMPARE(own->codes, rtn->codes);
        Matrix left = codec->dequantize(*rtn);
        for (size_t i = 0; i < left.size(); ++i)
            left.data()[i] = l.weight.data()[i] - left.data()[i];
        const auto product = lowRankOf(left.view(), 4, nullptr, 1, {});
        for (size_t i = 0; i < product->a.size(); ++i)
            QCOMPARE(own->extras.lowRank.a.data()[i], product->a.data()[i]);
    }

    void moreTurnsAreAsGoodOrBetter() {
        const Layer l = makeLayer(48, 96, 50, 22);
        auto backend = makeCpuBackend(2);
        for (const int bits : {2, 3, 4}) {
            const auto codec = intCodec({{"bits", bits}, {"group", 32}});
            double last = weightError(l, codec->dequantize(*runMethod("rtn", l, *codec, *backend)));
            for (const int turns : {1, 2, 5, 20}) {
                const auto q = runMethod("loftq", l, *codec, *backend, {{"iterations", turns}});
                const double now = weightError(l, codec->dequantize(*q));
                QVERIFY2(
                    turns == 1 ? now < last : now <= last,
                    qPrintable(
                        QString("%1 bits, %2 turns: %3 after %4").arg(bits).arg(turns).arg(now).arg(last)));
                last = now;
            }
        }
    }
};

QS_TEST(Method_loftq)
#include "tst_method_loftq.moc"

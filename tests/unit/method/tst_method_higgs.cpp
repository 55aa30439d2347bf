// SPDX-License-Identifier: Apache-2.0
#include "core/codec/input_rotation.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_higgs : public QObject {
    Q_OBJECT
private slots:
    /// The codes are the nearest ones of the turned weights, the values those codes turned back.
    void nearestInTheOtherCoordinates() {
        const Layer l = makeLayer(6, 48, 60, 71);
        const auto codec = intCodec({{"bits", 4}, {"group", 16}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("higgs", l, *codec, *backend);
        QS_VERIFY_OK(q);
        const RotationMap map({1, {}}, 48); // the fixture's seed
        Layer turned{l.weight.clone(), l.inputs.clone(), l.sigma.clone()};
        for (size_t r = 0; r < 6; ++r)
            map.turn(turned.weight.row(r));
        const auto nearest = runMethod("rtn", turned, *codec, *backend);
        QCOMPARE(q->codes, nearest->codes);
        Matrix values = codec->dequantize(*nearest);
        for (size_t r = 0; r < 6; ++r)
            map.turnBack(values.row(r));
        const Matrix own = codec->dequantize(*q);
        for (size_t i = 0; i < own.size(); ++i)
            QCOMPARE(own.data()[i], values.data()[i]);
    }

    /// Where weights of a row stand out, rotated rows have smaller ranges.
    void helpsWhereWeightsStandOut() {
        const Layer l = makeLayer(32, 256, 60, 72);
        auto backend = makeCpuBackend(1);
        const auto codec = intCodec({{"bits", 3}, {"group", -1}});
        const auto weightError = [&](const char* id) {
            const Matrix v = codec->dequantize(*runMethod(id, l, *codec, *backend));
            double sum = 0;
            for (size_t i = 0; i < v.size(); ++i)
                sum += std::pow(double(v.data()[i]) - double(l.weight.data()[i]), 2);
            return sum;
        };
        const double rtn = weightError("rtn"), own = weightError("higgs");
        QVERIFY2(own < 0.6 * rtn, qPrintable(QString("%1 against %2").arg(own).arg(rtn)));
    }
};

QS_TEST(Method_higgs)
#include "tst_method_higgs.moc"

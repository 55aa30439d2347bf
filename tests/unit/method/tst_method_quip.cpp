// SPDX-License-Identifier: Apache-2.0
#include "core/codec/input_rotation.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_quip : public QObject {
    Q_OBJECT
    /// The matrix of a rotation, from what it does to unit vectors.
    static MatrixD matrixOf(const RotationMap& map, size_t n) {
        MatrixD m(n, n);
        for (size_t j = 0; j < n; ++j) {
            std::vector<float> unit(n, 0.0f);
            unit[j] = 1;
            map.turn(unit.data());
            for (size_t i = 0; i < n; ++i)
                m(i, j) = double(unit[i]);
        }
        return m;
    }
private slots:
    /// Orthogonal for every row length: powers of two, their multiples, odd numbers.
    void rotationsAreOrthogonal() {
        for (const size_t n : {1, 2, 3, 16, 24, 43, 86, 172}) {
            const RotationMap map({7, {}}, n);
            const MatrixD m = matrixOf(map, n);
            for (size_t i = 0; i < n; ++i)
                for (size_t j = 0; j < n; ++j) {
                    double dot = 0;
                    for (size_t k = 0; k < n; ++k)
                        dot += m(i, k) * m(j, k);
                    QVERIFY(std::fabs(dot - (i == j ? 1 : 0)) < 2e-6);
                }
            if ((n & (n - 1)) == 0)
                for (const double v : m.span()) // Hadamard: every element is +-1 / sqrt(n)
                    QVERIFY(std::fabs(std::fabs(v) - 1 / std::sqrt(double(n))) < 1e-6);
            std::vector<float> row(n), before(n);
            for (size_t i = 0; i < n; ++i)
                before[i] = row[i] = float(std::sin(double(3 * i + 1)));
            map.turn(row.data());
            map.turnBack(row.data());
            for (size_t i = 0; i < n; ++i)
                QVERIFY(std::fabs(row[i] - before[i]) < 1e-5f);
        }
        QVERIFY(std::fabs(matrixOf(RotationMap({1, {}}, 4), 4)(0, 0)) == 0.5);
        QVERIFY(!std::ranges::equal(matrixOf(RotationMap({1, {}}, 24), 24).span(),
                                    matrixOf(RotationMap({2, {}}, 24), 24).span()));
    }

    /// M = R D for weights, and R D^-1 Sigma D^-1 R^T for the inputs that go with them, by plain products.
    void weightsAndInputsGoTogether() {
        const size_t n = 24;
        InputRotation rotation{5, std::vector<float>(n)};
        for (size_t i = 0; i < n; ++i)
            rotation.scale[i] = 0.5f + 0.125f * float(i % 5);
        const Layer l = makeLayer(2, n, 30, 3);
        const MatrixD r = matrixOf(RotationMap({5, {}}, n), n), m = matrixOf(RotationMap(rotation, n), n);
        MatrixD sigma = l.sigma.clone();
        RotationMap(rotation, n).turnSigma(sigma);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j) {
                QVERIFY(std::fabs(m(i, j) - r(i, j) * double(rotation.scale[j])) < 1e-6);
                double expected = 0, size = 0;
                for (size_t a = 0; a < n; ++a)
                    for (size_t b = 0; b < n; ++b) {
                        const double term = r(i, a) / double(rotation.scale[a]) * l.sigma(a, b) /
                                            double(rotation.scale[b]) * r(j, b);
                        expected += term;
                        size += std::fabs(term);
                    }
                QVERIFY(std::fabs(sigma(i, j) - expected) <= 1e-5 * size);
            }
    }

    /// A layer with outlier channels and weights at 2 bits with one scale per row: what incoherence is for.
    void helpsWhereThingsStandOut() {
        Layer l = makeLayer(64, 128, 500, 61);
        for (size_t r = 0; r < 64; ++r)
            for (size_t c = 0; c < 128; ++c)
                if ((r * 37 + c * 11) % 101 == 0) l.weight(r, c) *= 8;
        const auto codec = intCodec({{"bits", 2}, {"group", -1}});
        auto backend = makeCpuBackend(2);
        const auto error = [&](const char* id) {
            auto q = runMethod(id, l, *codec, *backend);
            if (!q) qFatal("%s", q.error().describe().c_str());
            return outputError(l, codec->dequantize(*q));
        };
        const double gptq = error("gptq"), quip = error("quip");
        QVERIFY2(quip < 0.7 * gptq, qPrintable(QString("%1 against %2").arg(quip).arg(gptq)));
    }

    void seedsDiffer() {
        const Layer l = makeLayer(8, 64, 100, 62);
        const auto codec = intCodec({{"bits", 4}, {"group", -1}});
        auto backend = makeCpuBackend(1);
        const MethodDescriptor* m = *findMethod("quip");
        QuantizeInput in;
        in.weight = l.weight.view();
        in.codec = codec.get();
        in.sigma = &l.sigma;
        in.params = Params::defaults(m->params);
        in.backend = backend.get();
        in.seed = 1;
        const auto one = m->quantize(in, {});
        in.seed = 2;
        const auto two = m->quantize(in, {});
        QVERIFY(one->codes != two->codes);
        QCOMPARE(one->extras.rotation->seed, uint64_t(1));
    }
};

QS_TEST(Method_quip)
#include "tst_method_quip.moc"

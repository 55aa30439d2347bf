// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_sparse24 : public QObject {
    Q_OBJECT
    /// Two of four by magnitude, the rest to the nearest code: what the method must beat.
    static Matrix plainPruning(const Layer& l, const Codec& codec, Backend& backend) {
        Layer pruned{l.weight.clone(), l.inputs.clone(), l.sigma.clone()};
        for (size_t r = 0; r < l.weight.rows(); ++r)
            for (size_t c = 0; c < l.weight.cols(); c += 4) {
                std::vector<size_t> order = {c, c + 1, c + 2, c + 3};
                std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
                    return std::fabs(l.weight(r, a)) < std::fabs(l.weight(r, b));
                });
                pruned.weight(r, order[0]) = pruned.weight(r, order[1]) = 0;
            }
        return codec.dequantize(*runMethod("rtn", pruned, codec, backend));
    }
private slots:
    /// With a diagonal Sigma nothing is passed on, and the cost of a 0 is w^2 Sigma_jj: 9, 16, 25, 4.
    void choiceByHand() {
        Layer l{Matrix(1, 4), Matrix(1, 4), MatrixD(4, 4)};
        const float w[] = {3, 2, 1, -2};
        const double s[] = {1, 4, 25, 1};
        std::copy_n(w, 4, l.weight.data());
        for (size_t i = 0; i < 4; ++i)
            l.sigma(i, i) = s[i];
        const auto codec = intCodec({{"bits", 4}, {"group", -1}, {"scale_dtype", "f32"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("sparse24", l, *codec, *backend, {{"damping", 1e-6}});
        QS_VERIFY_OK(q);
        const Matrix v = codec->dequantize(*q);
        QCOMPARE(v(0, 0), 0.0f);
        QVERIFY(std::fabs(v(0, 1) - 2) <= 0.17f && std::fabs(v(0, 2) - 1) <= 0.17f);
        QCOMPARE(v(0, 3), 0.0f);
    }

    void twoOfFourAreZero() {
        auto backend = makeCpuBackend(2);
        const Layer l = makeLayer(48, 256, 500, 51);
        const CodecDescriptor* nf = *findCodec("nf");
        for (const auto& codec :
             {intCodec({{"bits", 4}, {"group", 32}}), intCodec({{"bits", 8}, {"group", -1}}),
              *nf->create(Params::defaults(nf->params))}) {
            const auto q = runMethod("sparse24", l, *codec, *backend);
            QS_VERIFY_OK(q);
            const Matrix v = codec->dequantize(*q);
            for (size_t r = 0; r < v.rows(); ++r)
                for (size_t c = 0; c < v.cols(); c += 4)
                    QVERIFY(std::count(v.row(r) + c, v.row(r) + c + 4, 0.0f) >= 2);
            const double own = outputError(l, v), plain = outputError(l, plainPruning(l, *codec, *backend));
            QVERIFY2(own < 0.8 * plain, qPrintable(QString("%1 against %2").arg(own).arg(plain)));
        }
    }

    void whatDoesNotHoldFours() {
        const Layer l = makeLayer(4, 66, 80, 52);
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("sparse24", l, *intCodec({{"group", -1}}), *backend);
        QVERIFY(!q && q.error().message.find("66") != std::string::npos);
        const Layer m = makeLayer(4, 64, 80, 53);
        const auto p = runMethod("sparse24", m, *intCodec({{"group", 2}}), *backend);
        QVERIFY(!p && p.error().message.find("groups of 2") != std::string::npos);
    }
};

QS_TEST(Method_sparse24)
#include "tst_method_sparse24.moc"

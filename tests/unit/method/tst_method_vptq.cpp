// SPDX-License-Identifier: Apache-2.0
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Method_vptq : public QObject {
    Q_OBJECT

    static std::shared_ptr<const Codec> vectors(const nlohmann::json& params) {
        const CodecDescriptor* d = *findCodec("vector");
        return *d->create(*Params::fromJson(d->params, params, "test"));
    }

private slots:
    /// With uncorrelated inputs no error goes on: the codes are the nearest ones of a weighted codebook.
    void nearestWithoutCorrelation() {
        Layer l = makeLayer(16, 64, 80, 61);
        for (size_t i = 0; i < 64; ++i)
            for (size_t j = 0; j < 64; ++j)
                if (i != j) l.sigma(i, j) = 0;
        const auto codec = vectors({{"bits", 2}, {"length", "2"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("vptq", l, *codec, *backend);
        QS_VERIFY_OK(q);
        const Matrix out = codec->dequantize(*q);
        for (size_t r = 0; r < 16; r += 2)
            for (size_t c = 0; c < 64; ++c) {
                double own = 0, best = INFINITY;
                for (size_t j = 0; j < 2; ++j)
                    own += std::pow(double(out(r + j, c)) - double(l.weight(r + j, c)), 2);
                for (size_t i = 0; i < 16; ++i) {
                    double loss = 0;
                    for (size_t j = 0; j < 2; ++j)
                        loss += std::pow(double(q->scale(r + j, 0)) * double(q->tables(i, j)) -
                                             double(l.weight(r + j, c)),
                                         2);
                    best = std::min(best, loss);
                }
                QVERIFY(own <= best * 1.0001 + 1e-14);
            }
    }
    void lowersTheOutputError() {
        auto backend = makeCpuBackend(0);
        for (uint64_t seed = 0; seed < 3; ++seed) {
            const Layer l = makeLayer(64, 128, 512, 62 + seed);
            const auto codec = vectors({{"bits", 2}, {"length", "4"}}),
                       even = intCodec({{"bits", 2}, {"group", -1}});
            const double rtn = outputError(l, codec->dequantize(*runMethod("rtn", l, *codec, *backend))),
                         own = outputError(l, codec->dequantize(*runMethod("vptq", l, *codec, *backend))),
                         kept = outputError(l, codec->dequantize(*runMethod("vptq", l, *codec, *backend,
                                                                            {{"outliers", 0.05}}))),
                         gptq = outputError(l, even->dequantize(*runMethod("gptq", l, *even, *backend)));
            qInfo("rtn %.4g, vptq %.4g, with columns %.4g, gptq on even steps %.4g", rtn, own, kept, gptq);
            QVERIFY(own < rtn && kept < own && own < gptq);
        }
    }
    void mostActiveColumnsAreKept() {
        const Layer l = makeLayer(8, 64, 80, 66); // inputs 3, 20, 37 and 54 are eight times as active
        const auto codec = vectors({{"bits", 1}, {"length", "8"}});
        auto backend = makeCpuBackend(1);
        const auto q = runMethod("vptq", l, *codec, *backend, {{"outliers", 4.0 / 64}});
        QS_VERIFY_OK(q);
        for (size_t r = 0; r < 8; ++r)
            for (size_t i = 0; i < 4; ++i)
                QCOMPARE(q->extras.kept.columns[q->extras.kept.rowStart[r] + i], uint32_t(3 + 17 * i));
    }
};

QS_TEST(Method_vptq)
#include "tst_method_vptq.moc"

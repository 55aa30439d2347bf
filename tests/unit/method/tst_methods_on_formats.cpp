// SPDX-License-Identifier: Apache-2.0
// Data-driven methods round into formats of any kind: what they keep is storable, and the outputs are nearer
// than with nearest rounding.
#include "core/linalg/blas.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class MethodsOnFormats : public QObject {
    Q_OBJECT
private slots:
    void lowerTheOutputError_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        const auto row = [](const char* codec, const char* params) {
            QTest::addRow("%s %s", codec, params) << codec << params;
        };
        row("ternary", R"({"group": 32})");
        row("ternary", R"({"group": -1, "statistic": "absmedian"})");
        row("ternary", R"({"group": 0})");
        row("gaussian", R"({"bits": 1, "group": 32})");
        row("gaussian", R"({"bits": 3, "group": -1, "steps": "even"})");
        row("power", R"({"bits": 3})");
        row("power", R"({"bits": 4, "group": 0})");
        row("bdr", R"({"format": "mx4"})");
        row("int_two_level", R"({"bits": 3, "group": 32})");
        row("bcq", R"({"bits": 1, "group": 32})");
        row("bcq", R"({"bits": 3, "group": 32})");
        row("int_mixed", R"({"bits": 2, "group": 16})");
        row("int_mixed", R"({"bits": 3, "group": 32})");
        row("lut", R"({"bits": 2})");
        row("lut", R"({"bits": 3, "group": 64})");
        row("vector", R"({"bits": 2, "length": "2"})");
        row("vector", R"({"bits": 2, "length": "4", "group": 32})");
        row("vector", R"({"bits": 1, "length": "8", "group": 0})");
        row("vector", R"({"bits": 2, "length": "2", "codebook": "gaussian"})");
    }
    void lowerTheOutputError() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        const CodecDescriptor* d = *findCodec(codec.toStdString());
        const auto made =
            *d->create(*Params::fromJson(d->params, nlohmann::json::parse(params.toStdString()), "test"));
        const Layer l = makeLayer(48, 128, 512, 2);
        const auto error = [&](const char* method, const char* range, int threads) {
            auto backend = makeCpuBackend(threads);
            const auto q = runMethod(method, l, *made, *backend, {{"range", range}});
            if (!q) qFatal("%s", q.error().describe().c_str());
            if (const auto stored = made->checkParameters(*q); !stored)
                qFatal("%s", stored.error().describe().c_str());
            return outputError(l, made->dequantize(*q));
        };
        const double rtn = error("rtn", "minmax", 0), gptq = error("gptq", "minmax", 0),
                     descent = error("quantease", "minmax", 0), searched = error("gptq", "mse", 0);
        qInfo("rtn %.4g, gptq %.4g, quantease %.4g, gptq mse %.4g", rtn, gptq, descent, searched);
        QVERIFY(gptq < rtn);
        QVERIFY(descent <= gptq * (1 + 1e-6));
        QVERIFY(searched < rtn);
        QCOMPARE(error("gptq", "minmax", 1), error("gptq", "minmax", 3));
    }
};

QS_TEST(MethodsOnFormats)
#include "tst_methods_on_formats.moc"

// SPDX-License-Identifier: Apache-2.0
// Tensors of formats with tables of values in the store: scales of blocks of rows, of a whole tensor, and of
// few bits.
#include "core/quant/quantize_common.h"
#include "core/store/quantized_store.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;

class StoreLevels : public QObject {
    Q_OBJECT
private slots:
    void roundTrip_data() {
        QTest::addColumn<QString>("codec");
        QTest::addColumn<QString>("params");
        const auto row = [](const char* codec, const char* params) {
            QTest::addRow("%s %s", codec, params) << codec << params;
        };
        row("float", R"({"group": 40, "block_rows": 24})"); // smaller blocks at both ends
        row("float", R"({"group": 0, "scale_dtype": "bf16"})");
        row("float", R"({"format": "e2m1", "group": 16, "scale_dtype": "f16"})");
        row("mx", R"({"format": "mxfp8_e5m2"})");
        row("nvfp4", "{}");
        row("nf", R"({"bits": 3})");
        row("nf", R"({"double_quant": true, "group": 32})");
        row("ternary", "{}");
        row("ternary", R"({"group": 32, "statistic": "absmedian", "scale_dtype": "bf16"})");
        row("gaussian", R"({"bits": 1, "group": -1})");
        row("power", R"({"group": 32})");
        row("power", R"({"group": 0, "search_exponent": false})");
        row("bdr", "{}");
        row("int_two_level", R"({"group": 32})");
        row("bcq", R"({"bits": 1, "group": 32})");
        row("bcq", R"({"bits": 3, "group": 64})");
        row("int_mixed", R"({"bits": 2, "group": 16})");
    }
    void roundTrip() {
        QFETCH(QString, codec);
        QFETCH(QString, params);
        std::mt19937_64 rng(6);
        std::normal_distribution<float> normal(0.0f, 0.05f);
        Matrix w(61, 128);
        for (float& v : w.span())
            v = normal(rng);
        const CodecDescriptor* d = *findCodec(codec.toStdString());
        const auto made =
            *d->create(*Params::fromJson(d->params, nlohmann::json::parse(params.toStdString()), "test"));
        const auto q = quantizeToNearest(w.view(), *made, RangeRule::MinMax, {});
        QS_VERIFY_OK(q);
        const auto path = scratchDir("store-levels") / "one.h5";
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &*q}}));
        const auto r = readQuantizedTensor(path, "m");
        QS_VERIFY_OK(r);
        QVERIFY(r->codes == q->codes && r->codecParams == q->codecParams);
        QCOMPARE(r->layout.blockRows, q->layout.blockRows);
        const auto equal = [](const Matrix& a, const Matrix& b) {
            return a.rows() == b.rows() && a.cols() == b.cols() &&
                   std::equal(a.span().begin(), a.span().end(), b.data());
        };
        QVERIFY(equal(r->scale, q->scale) && equal(r->superScale, q->superScale) &&
                equal(r->superZero, q->superZero));
        QVERIFY(equal(made->dequantize(*r), made->dequantize(*q)));
    }
};

QS_TEST(StoreLevels)
#include "tst_store_levels.moc"

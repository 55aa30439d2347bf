// SPDX-License-Identifier: Apache-2.0
#include "core/store/quantized_store.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Codec_lut : public QObject {
    Q_OBJECT

    static std::shared_ptr<const Codec> make(const nlohmann::json& params) {
        const CodecDescriptor* d = *findCodec("lut");
        return *d->create(*Params::fromJson(d->params, params, "test"));
    }
    static QuantizedTensor nearest(const Layer& l, const Codec& codec) {
        auto backend = makeCpuBackend(2);
        auto q = runMethod("rtn", l, codec, *backend);
        if (!q) qFatal("%s", q.error().describe().c_str());
        return std::move(*q);
    }

private slots:
    void byHand() {
        // Rows {0, 1, 10, 12} and {-3, -3, 5, 5.5} with two values each: the means of the halves.
        Layer l{Matrix(2, 4), Matrix(1, 4), MatrixD(4, 4)};
        const float w[] = {0, 1, 10, 12, -3, -3, 5, 5.5f};
        std::copy_n(w, 8, l.weight.data());
        const auto codec = make({{"bits", 1}});
        const QuantizedTensor q = nearest(l, *codec);
        QCOMPARE(q.codes, (std::vector<uint8_t>{0, 0, 1, 1, 0, 0, 1, 1}));
        const float values[] = {0.5f, 11, -3, 5.25f};
        QVERIFY(std::equal(values, values + 4, q.tables.data()));
        const Matrix out = codec->dequantize(q);
        QCOMPARE(out(0, 3), 11.0f);
        QCOMPARE(out(1, 0), -3.0f);
        // Between the values of the first row the code's share counts on, and beyond them too.
        const TensorCodec reader(*codec, q);
        QCOMPARE(reader->level(5.75, 1, 0), 0.5);
        QCOMPARE(reader->level(21.5, 1, 0), 2.0);
        QCOMPARE(reader->level(-10.0, 1, 0), -1.0);
    }
    void codesAreNearestAndValuesStorable_data() {
        QTest::addColumn<QString>("params");
        for (const char* params : {R"({"bits": 1})", R"({"bits": 3, "group": 32})", R"({"bits": 4})",
                                   R"({"bits": 8, "group": 64})", R"({"bits": 4, "table_dtype": "bf16"})",
                                   R"({"bits": 2, "table_dtype": "f32"})"})
            QTest::addRow("%s", params) << params;
    }
    void codesAreNearestAndValuesStorable() {
        QFETCH(QString, params);
        const auto codec = make(nlohmann::json::parse(params.toStdString()));
        const Layer l = makeLayer(12, 128, 60, 31);
        const QuantizedTensor q = nearest(l, *codec);
        QS_VERIFY_OK(codec->checkParameters(q));
        const Matrix out = codec->dequantize(q);
        for (size_t r = 0; r < 12; ++r)
            for (size_t c = 0; c < 128; ++c) {
                const float* table = q.tables.row(r * q.layout.groups + q.groupOf(c));
                float best = INFINITY;
                for (int k = 0; k < codec->levels(); ++k)
                    best = std::min(best, std::fabs(table[k] - l.weight(r, c)));
                QCOMPARE(out(r, c), table[q.codes[r * 128 + c]]);
                QVERIFY(std::fabs(out(r, c) - l.weight(r, c)) == best);
            }
    }
    void bitsByHand() {
        // [64, 512], 3 bits: 64 512 3 of codes; 8 values of 16 bits for each row, or for each 128 of it.
        QCOMPARE(make({{"bits", 3}})->storedBits(64, 512)->total(), uint64_t(64 * 512 * 3 + 64 * 8 * 16));
        const auto grouped = make({{"bits", 3}, {"group", 128}, {"table_dtype", "f32"}});
        QCOMPARE(grouped->storedBits(64, 512)->total(), uint64_t(64 * 512 * 3 + 64 * 4 * 8 * 32));
        QVERIFY(!grouped->storedBits(64, 500));
        QVERIFY(!make({{"group", 1}})->storedBits(8192, 8192)); // 2^26 tables
        const CodecDescriptor* d = *findCodec("lut");
        QVERIFY(!d->create(*Params::fromJson(d->params, {{"group", 0}}, "test")));
    }
    void storedAndReadBack() {
        const auto codec = make({{"bits", 3}, {"group", 64}});
        const Layer l = makeLayer(12, 128, 60, 32);
        QuantizedTensor q = nearest(l, *codec);
        const QTemporaryDir folder;
        const std::filesystem::path path = folder.filePath("t.h5").toStdString();
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}, {}));
        const auto back = readQuantizedTensor(path, "m");
        QS_VERIFY_OK(back);
        QCOMPARE(back->codes, q.codes);
        QVERIFY(std::equal(q.tables.span().begin(), q.tables.span().end(), back->tables.span().begin()));
        const Matrix a = codec->dequantize(q), b = codec->dequantize(*back);
        QVERIFY(std::equal(a.span().begin(), a.span().end(), b.span().begin()));
    }
    void damageIsNamed() {
        const auto codec = make({{"bits", 2}});
        const auto refusal = [&](auto damage) {
            QuantizedTensor q = nearest(makeLayer(4, 32, 40, 33), *codec);
            damage(q);
            const auto ok = codec->checkParameters(q);
            return ok ? std::string() : ok.error().message;
        };
        QVERIFY(refusal([](auto& q) { q.tables(1, 2) = NAN; }).find("tables[1, 2]") == 0);
        QVERIFY(refusal([](auto& q) { q.tables(3, 3) = q.tables(3, 2) - 1; }).find("tables[3, 3]") == 0);
        QVERIFY(refusal([](auto& q) { q.tables(0, 3) = 0.1f; }).find("tables[0, 3]") == 0); // no float16
        QVERIFY(refusal([](auto& q) { q.zero(2, 0) = 77; }).find("zero 2") == 0);
        QVERIFY(refusal([](auto& q) { q.scale(2, 0) = 2; }).find("scale 2") == 0);
        QVERIFY(refusal([](auto& q) { q.tables = Matrix(3, 4); }).find("tables are [3, 4]") == 0);
    }
};

QS_TEST(Codec_lut)
#include "tst_codec_lut.moc"

// SPDX-License-Identifier: Apache-2.0
#include "core/codec/codec.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>

using namespace qs;
using nlohmann::json;

namespace {

std::shared_ptr<const Codec> make(const json& params) {
    const CodecDescriptor* d = *findCodec("int");
    auto p = Params::fromJson(d->params, params, "test");
    if (!p) qFatal("%s", p.error().describe().c_str());
    return *d->create(*p);
}

} // namespace

class Codec_int : public QObject {
    Q_OBJECT
private slots:
    void asymmetricGridByHand() {
        // maxq = 15, range [-1, 2] -> s = 3 / 15 = 0.2, z = round(1 / 0.2) = 5
        const auto c = make({{"bits", 4}, {"scale_dtype", "f32"}});
        float s = 0, z = 0;
        c->fitRange(-1.0f, 2.0f, s, z);
        QCOMPARE(s, 0.2f);
        QCOMPARE(z, 5.0f);
        QCOMPARE(c->decode(0, s, z), 0.2f * -5.0f);
        QCOMPARE(c->decode(15, s, z), 0.2f * 10.0f);
        // Zero is always inside the range: [1, 2] becomes [0, 2].
        c->fitRange(1.0f, 2.0f, s, z);
        QCOMPARE(s, 2.0f / 15.0f);
        QCOMPARE(z, 0.0f);
    }
    void symmetricGridByHand() {
        // s = 2 * 3 / 15 = 0.4, z = 8; the positive end 3 / 0.4 = 7.5 -> even 8 -> code 16 clamps to 15
        // -> 2.8
        const auto c = make({{"bits", 4}, {"grid", "symmetric"}, {"scale_dtype", "f32"}});
        float s = 0, z = 0;
        c->fitRange(-1.0f, 3.0f, s, z);
        QCOMPARE(s, 6.0f / 15.0f);
        QCOMPARE(z, 8.0f);
        const float value = 3.0f;
        uint8_t code = 0;
        float out = 0;
        c->round(&value, 1, &s, &z, &code, &out);
        QCOMPARE(int(code), 15);
        QCOMPARE(out, 0.4f * 7.0f);
    }
    void absmaxGridByHand() {
        const auto c = make({{"bits", 4}, {"grid", "absmax"}, {"scale_dtype", "f32"}});
        float s = 0, z = 0;
        c->fitRange(-3.5f, 1.0f, s, z);
        QCOMPARE(s, 0.5f);
        QCOMPARE(z, 8.0f);
        QCOMPARE(c->decode(1, s, z), -3.5f);
        QCOMPARE(c->decode(8, s, z), 0.0f);
    }
    void minmaxGridByHand() {
        // [1, 2.5]: s = 0.1, z = clamp(round(-10), 0, 15) = 0
        const auto c = make({{"bits", 4}, {"grid", "minmax"}, {"scale_dtype", "f32"}});
        float s = 0, z = 0;
        c->fitRange(1.0f, 2.5f, s, z);
        QCOMPARE(s, 0.1f);
        QCOMPARE(z, 0.0f);
        c->fitRange(0.0f, 0.0f, s, z);
        QCOMPARE(s, 1e-5f);
    }
    void everyCodeSurvives_data() {
        QTest::addColumn<int>("bits");
        QTest::addColumn<QString>("grid");
        QTest::addColumn<QString>("type");
        for (int bits = 2; bits <= 8; ++bits)
            for (const char* grid : {"asymmetric", "symmetric", "absmax", "minmax"})
                for (const char* type : {"f16", "bf16", "f32"})
                    QTest::addRow("%d %s %s", bits, grid, type) << bits << grid << type;
    }
    void everyCodeSurvives() {
        QFETCH(int, bits);
        QFETCH(QString, grid);
        QFETCH(QString, type);
        const auto c =
            make({{"bits", bits}, {"grid", grid.toStdString()}, {"scale_dtype", type.toStdString()}});
        for (const auto& [lo, hi] :
             {std::pair{-1.0f, 1.0f}, {-0.013f, 0.7f}, {-300.0f, 2.0f}, {0.0f, 1e-6f}, {-1e-7f, 0.0f}}) {
            float s = 0, z = 0;
            c->fitRange(lo, hi, s, z);
            QVERIFY(s > 0 && std::isfinite(s));
            QVERIFY(z >= 0 && z <= float(c->levels() - 1) && z == std::nearbyint(z));
            if (type == "f16") QCOMPARE(halfToFloat(floatToHalf(s)), s);
            if (type == "bf16") QCOMPARE(bfloatToFloat(floatToBfloat(s)), s);
            for (int code = 0; code < c->levels(); ++code) {
                const float value = c->decode(uint8_t(code), s, z);
                QVERIFY(std::isfinite(value));
                uint8_t again = 0;
                float out = 0;
                c->round(&value, 1, &s, &z, &again, &out);
                QCOMPARE(int(again), code);
                QCOMPARE(out, value);
            }
        }
    }
    void tiesGoToEven() {
        const auto c = make({{"bits", 4}, {"grid", "symmetric"}});
        const float s = 1, z = 8, values[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f};
        const float expected[] = {0, 2, 2, 0, -2};
        for (int i = 0; i < 5; ++i) {
            uint8_t code = 0;
            float out = 0;
            c->round(&values[i], 1, &s, &z, &code, &out);
            QCOMPARE(out, expected[i]);
        }
    }
    void exactBits() {
        // [4, 256], 3 bits, group 64, asymmetric f16: 4*256*3 + 16 groups * (16 + 3) bits
        const auto c = make({{"bits", 3}, {"group", 64}});
        const auto bits = c->storedBits(4, 256);
        QS_VERIFY_OK(bits);
        QCOMPARE(bits->codes, uint64_t(3072));
        QCOMPARE(bits->scales, uint64_t(256));
        QCOMPARE(bits->zeros, uint64_t(48));
        QCOMPARE(make({{"bits", 3}, {"group", 64}, {"grid", "symmetric"}})->storedBits(4, 256)->zeros,
                 uint64_t(0));
        QCOMPARE(make({{"bits", 8}, {"group", 0}, {"scale_dtype", "f32"}})->storedBits(4, 256)->scales,
                 uint64_t(32));
        QCOMPARE(c->storedBits(4, 256, true)->index, uint64_t(256 * 32));
    }
    void groupMustDivide() {
        const auto l = make({{"group", 128}})->layout(8, 172);
        QVERIFY(!l);
        QVERIFY(l.error().message.find("172") != std::string::npos);
        QVERIFY(l.error().message.find("128") != std::string::npos);
        QCOMPARE(make({{"group", -1}})->layout(8, 172)->groupSize, size_t(172));
        QCOMPARE(make({{"group", 0}})->layout(8, 172)->scaleRows, size_t(1));
    }
    void dequantizeUsesGroupIndex() {
        const auto c = make({{"bits", 4}, {"group", 2}, {"grid", "symmetric"}});
        QuantizedTensor q;
        q.codec = "int";
        q.codecParams = c->params();
        q.rows = 1;
        q.cols = 4;
        q.layout = *c->layout(1, 4);
        q.codes = {9, 9, 9, 7};
        q.scale = Matrix(1, 2);
        q.zero = Matrix(1, 2);
        q.scale(0, 0) = 1;
        q.scale(0, 1) = 10;
        q.zero(0, 0) = q.zero(0, 1) = 8;
        Matrix m = c->dequantize(q);
        QCOMPARE(m(0, 0), 1.0f);
        QCOMPARE(m(0, 2), 10.0f);
        QCOMPARE(m(0, 3), -10.0f);
        q.groupOfColumn = {1, 0, 1, 0};
        m = c->dequantize(q);
        QCOMPARE(m(0, 0), 10.0f);
        QCOMPARE(m(0, 3), -1.0f);
    }
    void badParameters() {
        const CodecDescriptor* d = *findCodec("int");
        for (const json& bad : {json{{"bits", 1}}, json{{"bits", 9}}, json{{"bits", "4"}},
                                json{{"grid", "round"}}, json{{"bit", 4}}}) {
            const auto p = Params::fromJson(d->params, bad, "recipe.json");
            QVERIFY(!p);
            QVERIFY(p.error().message.find(bad.begin().key()) != std::string::npos);
        }
        QVERIFY(!findCodec("int4"));
    }
};

QS_TEST(Codec_int)
#include "tst_codec_int.moc"

// SPDX-License-Identifier: Apache-2.0
#include "core/store/quantized_store.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

using namespace qs;
using namespace qs::test;

class Codec_int_nested : public QObject {
    Q_OBJECT

    static std::shared_ptr<const Codec> make(const nlohmann::json& params) {
        const CodecDescriptor* d = *findCodec("int_nested");
        return *d->create(*Params::fromJson(d->params, params, "test"));
    }
    static QuantizedTensor quantize(const Layer& l, const Codec& codec, const char* range = "minmax") {
        auto backend = makeCpuBackend(2);
        auto q = runMethod("rtn", l, codec, *backend, {{"range", range}});
        if (!q) qFatal("%s", q.error().describe().c_str());
        return std::move(*q);
    }
    static double squares(const Layer& l, const Matrix& values) {
        double sum = 0;
        for (size_t i = 0; i < values.size(); ++i)
            sum += std::pow(double(l.weight.data()[i]) - double(values.data()[i]), 2);
        return sum;
    }

private slots:
    /// Two groups of eight, 2 bits, statistics of 2 bits. Ranges [0, 3] and [-3, 9]: scales 1 and 4, zero
    /// points 0 and 0.75. Minimum 1 and step 1 hold both scales; minimum 0 and step 0.25 both zero points.
    void byHand() {
        Layer l{Matrix(1, 16), Matrix(1, 16), MatrixD(16, 16)};
        const float w[] = {0, 3, 1, 2, 0, 0, 1, 0, -3, 9, 1, 4, 6, 0, -2, 5};
        std::copy_n(w, 16, l.weight.data());
        const auto codec = make({{"bits", 2}, {"group", 8}, {"super_group", 2}, {"stat_bits", 2}});
        const QuantizedTensor q = quantize(l, *codec);
        QCOMPARE(q.scale(0, 0), 1.0f);
        QCOMPARE(q.scale(0, 1), 4.0f);
        QCOMPARE(q.zero(0, 0), 0.0f);
        QCOMPARE(q.zero(0, 1), 0.75f);
        QCOMPARE(q.superScale(0, 0), 1.0f);
        QCOMPARE(q.superScale(0, 1), 1.0f);
        QCOMPARE(q.superZero(0, 1), 0.25f);
        // Levels of the second group: -3, 1, 5, 9.
        QCOMPARE(q.codes, (std::vector<uint8_t>{0, 3, 1, 2, 0, 0, 1, 0, 0, 3, 1, 2, 2, 1, 0, 2}));
        QCOMPARE(codec->dequantize(q)(0, 12), 5.0f);
    }
    void bitsByHand() {
        // [64, 512] in 32 groups of 16 a row, 2 super-blocks: 3 bits a weight, 3 + 3 a group, 64 a
        // super-block.
        QCOMPARE(make({})->storedBits(64, 512)->total(), uint64_t(64 * (512 * 3 + 32 * 6 + 2 * 64)));
        const auto refused = make({})->storedBits(64, 384);
        QVERIFY(!refused &&
                refused.error().message.find("384 is not a multiple of group 256") != std::string::npos);
    }
    /// What float16 scales and zero points of the same groups give, or not twice its error at half their
    /// bits.
    void fewBitsOfStatisticsCostLittle() {
        const Layer l = makeLayer(32, 512, 60, 81);
        const auto plain = intCodec({{"bits", 4}, {"group", 16}, {"grid", "asymmetric"}});
        for (const char* range : {"minmax", "mse"}) {
            const double exact = squares(l, plain->dequantize(quantize(l, *plain, range)));
            double last = INFINITY;
            for (const int bits : {2, 3, 4, 6, 8}) {
                const auto codec = make({{"bits", 4}, {"stat_bits", bits}});
                const QuantizedTensor q = quantize(l, *codec, range);
                QS_VERIFY_OK(codec->checkParameters(q));
                const double error = squares(l, codec->dequantize(q));
                qInfo("%s, %d bits: %.4g of the exact error", range, bits, error / exact);
                QVERIFY(error < last);
                last = error;
                if (bits == 3) QVERIFY(error < 2 * exact);
                if (bits == 8) QVERIFY(error < 1.02 * exact);
            }
        }
        const auto three = make({{"bits", 4}})->storedBits(32, 512), full = plain->storedBits(32, 512);
        QVERIFY(three->total() - three->codes <= (full->total() - full->codes) / 2);
    }
    void hardRows() {
        Layer l = makeLayer(4, 256, 60, 82);
        for (size_t c = 0; c < 256; ++c) {
            l.weight(0, c) = 0;
            l.weight(1, c) = c < 16 ? 0 : l.weight(1, c); // one group of zeros
            l.weight(2, c) *= 1e-5f;
            l.weight(3, c) = c == 7 ? 1e6f : l.weight(3, c);
        }
        const auto codec = make({});
        const QuantizedTensor q = quantize(l, *codec);
        QS_VERIFY_OK(codec->checkParameters(q));
        const Matrix out = codec->dequantize(q);
        for (const float v : out.span())
            QVERIFY(std::isfinite(v));
        for (size_t c = 0; c < 256; ++c)
            QVERIFY(std::fabs(out(0, c)) < 1e-6f);
    }
    void storedAndReadBack() {
        const Layer l = makeLayer(6, 512, 60, 83);
        const auto codec = make({});
        const QuantizedTensor q = quantize(l, *codec);
        const QTemporaryDir folder;
        const std::filesystem::path path = folder.filePath("t.h5").toStdString();
        QS_VERIFY_OK(writeQuantizedTensors(path, {{"m", &q}}, {}));
        const auto back = readQuantizedTensor(path, "m");
        QS_VERIFY_OK(back);
        const Matrix a = codec->dequantize(q), b = codec->dequantize(*back);
        QVERIFY(std::equal(a.span().begin(), a.span().end(), b.span().begin()));
    }
    void damageIsNamed() {
        const auto codec = make({});
        const auto refusal = [&](auto damage) {
            QuantizedTensor q = quantize(makeLayer(2, 256, 40, 84), *codec);
            damage(q);
            const auto ok = codec->checkParameters(q);
            return ok ? std::string() : ok.error().message;
        };
        QVERIFY(refusal([](auto& q) { q.scale(1, 3) *= 1.01f; }).find("scale[1, 3]") == 0);
        QVERIFY(refusal([](auto& q) { q.zero(0, 2) += 0.01f; }).find("zero[0, 2]") == 0);
        QVERIFY(refusal([](auto& q) { q.superScale(0, 1) = -1; }).find("super_scale[0, 0]") == 0);
        QVERIFY(refusal([](auto& q) { q.superZero(1, 0) = NAN; }).find("super_zero[1, 0]") == 0);
        QVERIFY(refusal([](auto& q) { q.superZero = Matrix(1, 1); }).find("super_zero is [1, 1]") == 0);
    }
    /// SpQR's small groups at less than their cost, and a recursion that goes on from what they round to.
    void withGptqAndSpqr() {
        const Layer l = makeLayer(48, 256, 600, 85);
        auto backend = makeCpuBackend(0);
        const auto codec = make({});
        const double rtn = outputError(l, codec->dequantize(quantize(l, *codec))),
                     gptq = outputError(l, codec->dequantize(*runMethod("gptq", l, *codec, *backend))),
                     spqr = outputError(l, codec->dequantize(*runMethod("spqr", l, *codec, *backend)));
        qInfo("rtn %.4g, gptq %.4g, spqr %.4g", rtn, gptq, spqr);
        QVERIFY(gptq < rtn && spqr < gptq);
    }
};

QS_TEST(Codec_int_nested)
#include "tst_codec_int_nested.moc"

// SPDX-License-Identifier: Apache-2.0
// Codec ggml: every code and scale of every type decodes to what the blocks in a file do (whose decoders are
// checked against NumPy elsewhere), the plain scale rules by hand, searches, damage.
#include "core/checkpoint/checkpoint.h"
#include "core/codec/ggml_encode.h"
#include "core/tensor/ggml_blocks.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;

namespace {

std::shared_ptr<const Codec> codecOfType(std::string_view type) {
    const CodecDescriptor* d = *findCodec("ggml");
    return *d->create(*Params::fromJson(d->params, {{"type", type}}, "test"));
}

QuantizedTensor emptyTensor(const Codec& codec, size_t rows, size_t cols) {
    QuantizedTensor q;
    q.codec = codec.id();
    q.codecParams = codec.params();
    q.rows = rows;
    q.cols = cols;
    q.layout = *codec.layout(rows, cols);
    q.codes.assign(rows * cols, 0);
    codec.allocateParameters(q);
    return q;
}

QuantizedTensor rounded(const Codec& codec, ConstMatrixView w, const FitRule& rule,
                        std::span<const float> importance = {}) {
    QuantizedTensor q = emptyTensor(codec, w.rows, w.cols);
    const size_t block = codec.fitColumns();
    for (size_t r = 0; r < w.rows; ++r)
        for (size_t c = 0; c < w.cols; c += block) {
            codec.fitBlock({w.row(r) + c, block},
                           importance.empty() ? importance : importance.subspan(c, block), rule, q, r, c);
            std::vector<float> scale(block), zero(block), out(block);
            for (size_t i = 0; i < block; ++i) {
                scale[i] = q.scale(r, q.groupOf(c + i));
                zero[i] = q.zero(r, q.groupOf(c + i));
            }
            codec.round(w.row(r) + c, block, scale.data(), zero.data(), q.codes.data() + r * w.cols + c,
                        out.data());
        }
    return q;
}

Matrix heavyTailed(size_t rows, size_t cols, uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::normal_distribution<float> normal(0.01f, 0.05f);
    Matrix w(rows, cols);
    for (float& v : w.span())
        v = normal(rng) * (rng() % 40 == 0 ? 4.0f : 1.0f);
    return w;
}

double weightedError(ConstMatrixView w, const Matrix& q, std::span<const float> importance) {
    double sum = 0;
    for (size_t r = 0; r < w.rows; ++r)
        for (size_t c = 0; c < w.cols; ++c) {
            const double e = double(w(r, c)) - double(q(r, c));
            sum += (importance.empty() ? 1.0 : double(importance[c])) * e * e;
        }
    return sum;
}

Matrix fromBlocks(const GgmlType& type, std::span<const std::byte> blocks, size_t rows, size_t cols) {
    Matrix out(rows, cols);
    const auto ok = ggmlToFloat(type, blocks, out.span());
    if (!ok) qFatal("%s", ok.error().describe().c_str());
    return out;
}

float half(float v) {
    return halfToFloat(floatToHalf(v));
}

} // namespace

class Codec_ggml : public QObject {
    Q_OBJECT
    static void types() {
        QTest::addColumn<QString>("type");
        for (const GgmlGrid& g : ggmlGrids())
            QTest::addRow("%s", std::string(g.id).c_str())
                << QString::fromUtf8(g.id.data(), qsizetype(g.id.size()));
    }
    static const GgmlGrid& grid() {
        QFETCH(QString, type);
        return *ggmlGrid(type.toStdString());
    }
private slots:
    void everyCodeAndScale_data() { types(); }
    void everyCodeAndScale() {
        const GgmlGrid& g = grid();
        const auto codec = codecOfType(g.id);
        constexpr size_t kRows = 64;
        const size_t cols = 4 * size_t(g.block);
        QuantizedTensor q = emptyTensor(*codec, kRows, cols);
        std::mt19937_64 rng(7);
        std::vector<bool> codes(size_t(g.levels), false), scales(256, false), offsets(256, false);
        for (uint8_t& c : q.codes) {
            c = uint8_t(rng() % size_t(g.levels));
            codes[c] = true;
        }
        const auto anyHalf = [&] { return half(float(int(rng() % 2001) - 1000) * 0x1p-9f); };
        for (size_t r = 0; r < kRows; ++r)
            for (size_t group = 0; group < q.layout.groups; ++group) {
                if (!g.superBlocks()) {
                    q.scale(r, group) = g.powerOfTwo ? std::ldexp(1.0f, int(rng() % 40) - 20) : anyHalf();
                    q.zero(r, group) = g.offset ? anyHalf() : 0;
                    continue;
                }
                const size_t block = group / g.groups();
                if (group % g.groups() == 0) {
                    q.superScale(r, block) = anyHalf();
                    if (g.offset) q.superZero(r, block) = anyHalf();
                }
                const int c = g.scaleLow + int(rng() % size_t(g.scaleHigh - g.scaleLow + 1)),
                          e = int(rng() % size_t(g.offsetHigh + 1));
                scales[size_t(c - g.scaleLow)] = offsets[size_t(e)] = true;
                q.scale(r, group) = q.superScale(r, block) * float(c);
                if (g.offset) q.zero(r, group) = q.superZero(r, block) * float(e);
            }
        QVERIFY(std::all_of(codes.begin(), codes.end(), [](bool b) { return b; }));
        for (int c = 0; g.superBlocks() && c <= g.scaleHigh - g.scaleLow; ++c)
            QVERIFY(scales[size_t(c)]);
        for (int e = 0; e <= g.offsetHigh && g.offset && g.superBlocks(); ++e)
            QVERIFY(offsets[size_t(e)]);
        const auto blocks = ggmlBlocks(q, 0, kRows);
        QS_VERIFY_OK(blocks);
        QCOMPARE(blocks->size() * 8, size_t(codec->storedBits(kRows, cols)->total()));
        const Matrix stored = fromBlocks(g.ggml(), *blocks, kRows, cols), own = codec->dequantize(q);
        for (size_t i = 0; i < own.size(); ++i)
            QVERIFY2(stored.data()[i] == own.data()[i], qPrintable(QString("%1: %2 in the file, %3 here")
                                                                       .arg(i)
                                                                       .arg(double(stored.data()[i]))
                                                                       .arg(double(own.data()[i]))));
        const auto tail = ggmlBlocks(q, 5, 2);
        QS_VERIFY_OK(tail);
        QVERIFY(
            std::equal(tail->begin(), tail->end(), blocks->begin() + ptrdiff_t(5 * blocks->size() / kRows)));
    }

    void plainRulesByHand() {
        const auto fit = [](std::string_view type, std::vector<float> v) {
            return fitGgmlBlock(*ggmlGrid(type), v, {}, {});
        };
        std::vector<float> ramp(32);
        for (size_t i = 0; i < 32; ++i)
            ramp[i] = -4.0f + 0.5f * float(i % 16);
        QCOMPARE(fit("q4_0", ramp).d, 0.5f); // -4 / -8
        for (float& v : ramp)
            v = -v;
        QCOMPARE(fit("q4_0", ramp).d, -0.5f); // the largest value keeps the end that has one step more
        QCOMPARE(fit("q4_1", ramp).d, half(7.5f / 15));
        QCOMPARE(fit("q4_1", ramp).dmin, 3.5f); // m = min = -3.5, stored with the other sign
        ramp[3] = 127;
        QCOMPARE(fit("q8_0", ramp).d, 1.0f);
        QCOMPARE(fit("q5_0", ramp).d, half(127.0f / -16));
        QCOMPARE(fit("iq4_nl", ramp).d, half(-1.0f));
        ramp[3] = -6;
        // The largest value, 6 = 1.5 * 2^2, takes the last binade 4 .. 6 of E2M1: k = 0, or 2^-1 of the
        // doubled table.
        QCOMPARE(fit("mxfp4", ramp).d, 0.5f);
        // Sub-scales 1 .. 8: d = 8 / 63, and the integers next to (g + 1) 63 / 8.
        std::vector<float> block(256);
        for (size_t i = 0; i < 256; ++i)
            block[i] = float(i / 32 + 1) * float(int(i % 16) - 1);
        const GgmlScales s = fit("q4_k", block);
        QCOMPARE(s.d, half(8.0f / 63));
        QCOMPARE(s.dmin, half(8.0f / 63));
        const int8_t expected[8] = {8, 16, 24, 32, 39, 47, 55, 63}; // 7.875, 15.75, 23.625, 31.5+, ...
        for (size_t g = 0; g < 8; ++g) {
            QCOMPARE(int(s.scale[g]), int(expected[g]) - (g == 3 && s.d > 8.0f / 63 ? 1 : 0));
            QCOMPARE(int(s.offset[g]), int(s.scale[g]));
        }
    }

    void nearestAndSearched_data() { types(); }
    void nearestAndSearched() {
        const GgmlGrid& g = grid();
        const auto codec = codecOfType(g.id);
        const Matrix w = heavyTailed(16, 1024, 3);
        std::vector<float> importance(w.cols());
        for (size_t c = 0; c < importance.size(); ++c)
            importance[c] = c % 7 == 0 ? 20.0f : 0.5f;
        const Matrix plain = codec->dequantize(rounded(*codec, w.view(), {})),
                     searched = codec->dequantize(rounded(*codec, w.view(), {.search = true})),
                     weighed = codec->dequantize(rounded(*codec, w.view(), {.search = true}, importance));
        const double a = weightedError(w.view(), plain, {}), b = weightedError(w.view(), searched, {});
        QVERIFY2(b > 0 && b < a, qPrintable(QString("%1 searched, %2 plain").arg(b).arg(a)));
        const double c = weightedError(w.view(), weighed, importance),
                     d = weightedError(w.view(), searched, importance);
        // Powers of two leave little to choose.
        QVERIFY2(g.powerOfTwo ? c <= d : c < d, qPrintable(QString("%1 weighed, %2 not").arg(c).arg(d)));
        // A step is at most a sixth of a group's range for 2 bits; nobody is further off than that.
        double norm = 0;
        for (const float v : w.span())
            norm += double(v) * double(v);
        QVERIFY2(a < norm * (g.bits == 2   ? 0.2
                             : g.bits == 3 ? 0.06
                                           : 0.02),
                 qPrintable(QString::number(a / norm)));
    }

    void hardValues_data() { types(); }
    void hardValues() {
        const GgmlGrid& g = grid();
        const auto codec = codecOfType(g.id);
        Matrix w(6, 256);
        for (size_t c = 0; c < 256; ++c) {
            w(1, c) = 1e9f;                           // beyond float16
            w(2, c) = c % 2 ? 1e-30f : -1e-30f;       // below it
            w(3, c) = 0.25f;                          // all the same
            w(4, c) = c == 17 ? -30.0f : 0;           // one
            w(5, c) = c < 128 ? 0 : float(c) * 1e-3f; // groups of zeros
        }
        for (const bool search : {false, true}) {
            const QuantizedTensor q = rounded(*codec, w.view(), {.search = search});
            QS_VERIFY_OK(codec->checkParameters(q));
            const Matrix m = codec->dequantize(q);
            for (const float v : m.span())
                QVERIFY(std::isfinite(v));
            for (size_t c = 0; c < 256; ++c)
                QCOMPARE(m(0, c), 0.0f);
            QVERIFY(std::fabs(m(4, 17) + 30) <= 30 * 0.4);
            const auto blocks = ggmlBlocks(q, 0, 6);
            QS_VERIFY_OK(blocks);
            const Matrix stored = fromBlocks(g.ggml(), *blocks, 6, 256);
            for (size_t i = 0; i < m.size(); ++i)
                QCOMPARE(stored.data()[i], m.data()[i]);
        }
    }

    void plainConversion_data() { types(); }
    void plainConversion() {
        const GgmlGrid& g = grid();
        const GgmlType& type = g.ggml();
        Matrix w = heavyTailed(37, 512, 9);
        for (float& v : w.span())
            v = half(v);
        std::vector<std::byte> halves(w.size() * 2), a(37 * 512 / type.elements * type.bytes), b(a.size());
        QS_VERIFY_OK(fromFloat(w.span(), DType::F16, halves));
        QS_VERIFY_OK(quantizeGgml(type, w.view(), a));
        QS_VERIFY_OK(quantizeGgmlFromHalf(type, halves, 512, b));
        QVERIFY(a == b);
        QVERIFY(a == *ggmlBlocks(rounded(*codecOfType(g.id), w.view(), {}), 0, 37));
        QVERIFY(!quantizeGgml(type, w.view(), std::span(a).first(a.size() - 1)));
        const auto odd = quantizeGgml(type, w.view().block(0, 37, 0, 500), a);
        QVERIFY(!odd && odd.error().message.find("500 is not a multiple") != std::string::npos);
        w(11, 3) = NAN;
        const auto nan = quantizeGgml(type, w.view(), a);
        QVERIFY(!nan && nan.error().message.find("row 11") != std::string::npos);
    }
    /// Bytes of tests/golden/gen/ggml_encode.py, which packs by the format's description.
    void goldenBytes_data() { types(); }
    void goldenBytes() {
        const GgmlGrid& g = grid();
        const GgmlType& type = g.ggml();
        const auto golden = openCheckpoint(sourceDir() / "tests/golden/ggml/encoded.safetensors");
        QS_VERIFY_OK(golden);
        const auto values = (*golden)->readMatrix("values");
        const auto expected = (*golden)->rawBytes((*golden)->find(std::string(type.name) + ".blocks"));
        QS_VERIFY_OK(values);
        QS_VERIFY_OK(expected);
        std::vector<std::byte> own(values->size() / type.elements * type.bytes);
        QCOMPARE(own.size(), expected->size());
        QS_VERIFY_OK(quantizeGgml(type, values->view(), own));
        const QuantizedTensor q = rounded(*codecOfType(g.id), values->view(), {});
        const auto packed = ggmlBlocks(q, 0, q.rows);
        QS_VERIFY_OK(packed);
        for (size_t i = 0; i < own.size(); ++i)
            QVERIFY2(own[i] == (*expected)[i] && (*packed)[i] == own[i],
                     qPrintable(QString("byte %1 of block %2: %3 converted, %4 packed, %5 expected")
                                    .arg(i % type.bytes)
                                    .arg(i / type.bytes)
                                    .arg(int(own[i]))
                                    .arg(int((*packed)[i]))
                                    .arg(int((*expected)[i]))));
    }

    /// Conversion and the codec agree byte for byte where it is hard: zeros of both signs, equal magnitudes,
    /// scales that float16 has only subnormally or not at all, values beyond it.
    void conversionOfHardValues_data() { types(); }
    void conversionOfHardValues() {
        const GgmlGrid& g = grid();
        const GgmlType& type = g.ggml();
        constexpr size_t kRows = 60, kCols = 512;
        std::mt19937_64 rng(21);
        Matrix w(kRows, kCols);
        for (size_t r = 0; r < kRows; ++r)
            for (size_t c = 0; c < kCols; ++c) {
                const float sign = rng() % 2 ? 1.0f : -1.0f;
                w(r, c) = r == 0   ? 0.0f
                          : r == 1 ? -0.0f
                          : r == 2 ? sign * 0.0f
                          : r == 3 ? sign
                          : r == 4
                              ? -std::fabs(float(int(rng() % 100)))
                              : sign * std::ldexp(1.0f + float(rng() % 4096) * 0x1p-12f, int(2 * r) - 70);
            }
        std::vector<std::byte> own(w.size() / type.elements * type.bytes);
        QS_VERIFY_OK(quantizeGgml(type, w.view(), own));
        const auto packed = ggmlBlocks(rounded(*codecOfType(g.id), w.view(), {}), 0, kRows);
        QS_VERIFY_OK(packed);
        for (size_t i = 0; i < own.size(); ++i)
            QVERIFY2(
                own[i] == (*packed)[i],
                qPrintable(
                    QString("row %1, byte %2 of a block").arg(i / (own.size() / kRows)).arg(i % type.bytes)));
    }

    void rowsThatAreNotThere() {
        const auto codec = codecOfType("q4_0");
        const QuantizedTensor q = rounded(*codec, heavyTailed(4, 64, 1).view(), {});
        QS_VERIFY_OK(ggmlBlocks(q, 4, 0));
        for (const auto& [first, rows] : {std::pair<size_t, size_t>(3, 2), {5, 0}, {0, 5}, {1, SIZE_MAX}})
            QVERIFY(!ggmlBlocks(q, first, rows));
    }

    void plainTypes() {
        const Matrix w = heavyTailed(3, 40, 2);
        for (const uint32_t id : {0u, 1u, 30u}) {
            const GgmlType& type = *ggmlType(id);
            std::vector<std::byte> out(w.size() * type.bytes), expected(out.size());
            QS_VERIFY_OK(quantizeGgml(type, w.view(), out));
            QS_VERIFY_OK(fromFloat(w.span(), *type.plain, expected));
            QVERIFY(out == expected);
        }
        std::vector<std::byte> out(w.size());
        QVERIFY(!quantizeGgml(*ggmlType(24), w.view(), out)); // I8 holds no rounded values
        QVERIFY(!quantizeGgml(*ggmlType(16), w.view(), out)); // IQ2_XXS
    }

    void rowsThatDoNotFit() {
        const auto refused = codecOfType("q4_k")->layout(4, 5376 + 32);
        QVERIFY(!refused);
        for (const char* part : {"5408", "256", "Q4_K", "Q8_0", "IQ4_NL"})
            QVERIFY2(refused.error().message.find(part) != std::string::npos, part);
        QVERIFY(!codecOfType("q8_0")->layout(4, 172));
        QVERIFY(codecOfType("q8_0")->layout(4, 5408));
    }

    void damagedParameters() {
        const auto codec = codecOfType("q4_k");
        const Matrix w = heavyTailed(2, 512, 4);
        const auto good = [&] { return rounded(*codec, w.view(), {}); };
        QS_VERIFY_OK(codec->checkParameters(good()));
        const auto refused = [&](const QuantizedTensor& q, const char* part) {
            const auto checked = codec->checkParameters(q);
            return !checked && checked.error().message.find(part) != std::string::npos;
        };
        QuantizedTensor q = good();
        q.scale(1, 3) *= 1.01f;
        QVERIFY(refused(q, "scale[1, 3]"));
        q = good();
        q.zero(0, 2) = -q.superZero(0, 0);
        QVERIFY(refused(q, "zero[0, 2]"));
        q = good();
        q.superScale(1, 1) *= 1.0001f;
        QVERIFY(refused(q, "super_scale[1, 1]"));
        q = good();
        q.superZero = {};
        QVERIFY(refused(q, "super_zero"));
        QVERIFY(!ggmlBlocks(q, 0, 2));
        const auto plain = codecOfType("q4_0");
        QuantizedTensor p = rounded(*plain, heavyTailed(1, 64, 4).view(), {});
        p.zero(0, 1) = 8;
        const auto checked = plain->checkParameters(p);
        QVERIFY(!checked && checked.error().message.find("zero[0, 1]") != std::string::npos);
    }

    void bitsAmongLikes() {
        const CodecDescriptor* d = *findCodec("ggml");
        const auto with = [&](const char* type, int bits) {
            const auto p = d->withBits(*Params::fromJson(d->params, {{"type", type}}, "test"), bits);
            return p ? p->choice("type") : "refused: " + p.error().message;
        };
        QCOMPARE(with("q4_k", 3), std::string("q3_k"));
        QCOMPARE(with("iq4_xs", 6), std::string("q6_k"));
        QCOMPARE(with("q4_0", 5), std::string("q5_0"));
        QCOMPARE(with("iq4_nl", 8), std::string("q8_0"));
        QVERIFY(with("q4_0", 3).find("4, 5 and 8") != std::string::npos);
        QCOMPARE(*ggmlTypeOf(*Params::fromJson(d->params, {{"type", "q5_k"}}, "test")), ggmlType(13));
    }
};

QS_TEST(Codec_ggml)
#include "tst_codec_ggml.moc"

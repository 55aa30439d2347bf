// SPDX-License-Identifier: Apache-2.0
// Expected values come from the definition of the formats (sign * 2^(e - bias) * (1 + m / 2^bits)) and from
// exact midpoints of neighbouring codes, never from the code under test.
#include "core/tensor/convert.h"

#include "core/tensor/dtype.h"
#include "tests/support/qs_test.h"

#include <bit>
#include <cmath>
#include <hwy/targets.h>
#include <limits>
#include <random>

using namespace qs;

namespace {

/// The value of a finite code by definition.
double definedValue(uint16_t code, int mantissaBits, int bias) {
    const int e = (code & 0x7FFF) >> mantissaBits;
    const double m = double(code & ((1 << mantissaBits) - 1)) / double(1 << mantissaBits);
    const double magnitude = e == 0 ? std::ldexp(m, 1 - bias) : std::ldexp(1 + m, e - bias);
    return code & 0x8000 ? -magnitude : magnitude;
}

struct Format {
    uint16_t infinity;
    int mantissaBits, bias;
    float (*decode)(uint16_t);
    uint16_t (*encode)(float);
};
const Format kHalf{0x7C00, 10, 15, halfToFloat, floatToHalf};
const Format kBfloat{0x7F80, 7, 127, bfloatToFloat, floatToBfloat};

QString hex(uint32_t v) {
    return QString::number(v, 16);
}

/// Every float that is hard to round in one of the formats, and random bit patterns.
std::vector<float> hardFloats() {
    std::vector<float> out;
    for (uint32_t top = 0; top < 0x10000; ++top)
        for (const uint32_t low : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
            out.push_back(std::bit_cast<float>(top << 16 | low));
    for (uint32_t code = 0; code < 0x7C00; ++code) {
        const float low = float(definedValue(uint16_t(code), 10, 15));
        const float high = code + 1 == 0x7C00 ? 65536.0f : float(definedValue(uint16_t(code + 1), 10, 15));
        const float middle = (low + high) / 2;
        for (const float v : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f)}) {
            out.push_back(v);
            out.push_back(-v);
        }
    }
    std::mt19937 random(7);
    for (int i = 0; i < 200000; ++i)
        out.push_back(std::bit_cast<float>(uint32_t(random())));
    return out;
}

/// Runs `body` once per instruction set of this machine.
template<class Body>
void onEveryTarget(const Body& body) {
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        hwy::GetChosenTarget().Update(target);
        body(hwy::TargetName(target));
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
}

} // namespace

class TestConvert : public QObject {
    Q_OBJECT
private:
    void checkDecode(const Format& f) {
        for (uint32_t code = 0; code < 0x10000; ++code) {
            const float got = f.decode(uint16_t(code));
            const uint16_t magnitude = uint16_t(code & 0x7FFF);
            QCOMPARE(std::signbit(got), (code & 0x8000) != 0);
            if (magnitude > f.infinity)
                QVERIFY2(std::isnan(got), qPrintable(hex(code)));
            else if (magnitude == f.infinity)
                QVERIFY2(std::isinf(got), qPrintable(hex(code)));
            else
                QVERIFY2(double(got) == definedValue(uint16_t(code), f.mantissaBits, f.bias),
                         qPrintable(hex(code)));
        }
    }
    void checkRoundTrip(const Format& f) {
        for (uint32_t code = 0; code < 0x10000; ++code)
            QVERIFY2(f.encode(f.decode(uint16_t(code))) == code, qPrintable(hex(code)));
    }
    // Between neighbours c and c + 1: the middle goes to the even one, anything else to the nearer.
    void checkTies(const Format& f, double afterLargest) {
        for (uint32_t c = 0; c < f.infinity; ++c) {
            const double low = definedValue(uint16_t(c), f.mantissaBits, f.bias);
            const double high =
                c + 1 == f.infinity ? afterLargest : definedValue(uint16_t(c + 1), f.mantissaBits, f.bias);
            const float middle = float((low + high) / 2);
            QVERIFY(double(middle) == (low + high) / 2);
            const float below = std::nextafter(middle, 0.0f);
            const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
            for (const uint32_t sign : {0u, 0x8000u}) {
                const float s = sign ? -1.0f : 1.0f;
                QVERIFY2(f.encode(s * middle) == (sign | (c % 2 ? c + 1 : c)), qPrintable(hex(c)));
                QVERIFY2(f.encode(s * below) == (sign | c), qPrintable(hex(c)));
                QVERIFY2(f.encode(s * above) == (sign | (c + 1)), qPrintable(hex(c)));
            }
        }
    }

private slots:
    void halfCodesByDefinition() { checkDecode(kHalf); }
    void bfloatCodesByDefinition() { checkDecode(kBfloat); }
    void halfRoundTripKeepsEveryCode() { checkRoundTrip(kHalf); }
    void bfloatRoundTripKeepsEveryCode() { checkRoundTrip(kBfloat); }
    void halfTies() { checkTies(kHalf, 65536.0); }
    void bfloatTies() { checkTies(kBfloat, std::ldexp(1.0, 128)); }

    void knownCodes() {
        QCOMPARE(floatToHalf(1.0f), uint16_t(0x3C00));
        QCOMPARE(floatToHalf(65504.0f), uint16_t(0x7BFF));
        QCOMPARE(floatToHalf(65519.996f), uint16_t(0x7BFF));
        QCOMPARE(floatToHalf(65520.0f), uint16_t(0x7C00));
        QCOMPARE(floatToHalf(1e30f), uint16_t(0x7C00));
        QCOMPARE(floatToHalf(-std::numeric_limits<float>::infinity()), uint16_t(0xFC00));
        QCOMPARE(floatToHalf(0x1p-24f), uint16_t(1));
        QCOMPARE(floatToHalf(0x1p-25f), uint16_t(0));
        QCOMPARE(floatToHalf(-0.0f), uint16_t(0x8000));
        QCOMPARE(floatToHalf(std::numeric_limits<float>::denorm_min()), uint16_t(0));
        QCOMPARE(floatToBfloat(1.0f), uint16_t(0x3F80));
        QCOMPARE(floatToBfloat(std::numeric_limits<float>::max()), uint16_t(0x7F80));
        QCOMPARE(floatToBfloat(-0.0f), uint16_t(0x8000));
    }

    void nanStaysNan() {
        for (const uint32_t bits : {0x7F800001u, 0x7F801FFFu, 0x7FC00000u, 0xFF800001u, 0xFFFFFFFFu}) {
            const float nan = std::bit_cast<float>(bits);
            QVERIFY(std::isnan(halfToFloat(floatToHalf(nan))));
            QVERIFY(std::isnan(bfloatToFloat(floatToBfloat(nan))));
            QCOMPARE(floatToHalf(nan) >> 15, int(bits >> 31));
            QCOMPARE(floatToBfloat(nan) >> 15, int(bits >> 31));
        }
    }

    void vectorDecodingEqualsScalar() {
        std::vector<uint16_t> codes(0x10000);
        for (size_t i = 0; i < codes.size(); ++i)
            codes[i] = uint16_t(i);
        onEveryTarget([&](const char* target) {
            std::vector<float> half(codes.size()), bfloat(codes.size());
            halfToFloatBulk(reinterpret_cast<const std::byte*>(codes.data()), half.data(), codes.size());
            bfloatToFloatBulk(reinterpret_cast<const std::byte*>(codes.data()), bfloat.data(), codes.size());
            for (size_t i = 0; i < codes.size(); ++i) {
                QVERIFY2(std::bit_cast<uint32_t>(half[i]) == std::bit_cast<uint32_t>(halfToFloat(codes[i])),
                         target);
                QVERIFY2(std::bit_cast<uint32_t>(bfloat[i]) ==
                             std::bit_cast<uint32_t>(bfloatToFloat(codes[i])),
                         target);
            }
        });
    }

    void vectorEncodingEqualsScalar() {
        const std::vector<float> values = hardFloats();
        int targets = 0;
        onEveryTarget([&](const char* target) {
            ++targets;
            std::vector<uint16_t> half(values.size()), bfloat(values.size());
            floatToHalfBulk(values.data(), reinterpret_cast<std::byte*>(half.data()), values.size());
            floatToBfloatBulk(values.data(), reinterpret_cast<std::byte*>(bfloat.data()), values.size());
            for (size_t i = 0; i < values.size(); ++i)
                if (half[i] != floatToHalf(values[i]) || bfloat[i] != floatToBfloat(values[i]))
                    QFAIL(qPrintable(target + QString(": ") + hex(std::bit_cast<uint32_t>(values[i]))));
        });
        QVERIFY(targets >= 1);
    }

    void oddLengthsAndUnalignedPointers() {
        std::mt19937 random(3);
        std::vector<unsigned char> bytes(300);
        for (auto& b : bytes)
            b = static_cast<unsigned char>(random());
        const auto* base = reinterpret_cast<const std::byte*>(bytes.data());
        onEveryTarget([&](const char* target) {
            for (size_t offset = 0; offset < 4; ++offset)
                for (size_t n = 0; n <= 67; ++n) {
                    std::vector<float> out(n + 2, -7.0f);
                    halfToFloatBulk(base + offset, out.data() + 1, n);
                    QVERIFY2(out[0] == -7.0f && out[n + 1] == -7.0f, target);
                    std::vector<std::byte> back(2 * n + offset + 2, std::byte(0xAB));
                    floatToHalfBulk(out.data() + 1, back.data() + offset + 1, n);
                    QVERIFY2(std::memcmp(back.data() + offset + 1, base + offset, 2 * n) == 0, target);
                    QVERIFY2(back[offset] == std::byte(0xAB) && back.back() == std::byte(0xAB), target);
                    bfloatToFloatBulk(base + offset, out.data() + 1, n);
                    floatToBfloatBulk(out.data() + 1, back.data() + offset + 1, n);
                    QVERIFY2(std::memcmp(back.data() + offset + 1, base + offset, 2 * n) == 0, target);
                    QVERIFY2(out[0] == -7.0f && out[n + 1] == -7.0f && back.back() == std::byte(0xAB),
                             target);
                }
        });
    }
};

QS_TEST(TestConvert)
#include "tst_convert.moc"

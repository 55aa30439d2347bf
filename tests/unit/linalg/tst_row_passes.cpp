// SPDX-License-Identifier: Apache-2.0
// Vectorized passes over rows against plain loops: lengths around those of the registers, and values that
// must not be lost.
#include "core/linalg/differences.h"
#include "core/linalg/elements.h"
#include "core/linalg/grid_kernels.h"
#include "core/metrics/magnitude_bins.h"
#include "tests/support/qs_test.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

using namespace qs;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(),
                kNaN = std::numeric_limits<float>::quiet_NaN();
const size_t kLengths[] = {0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200};

std::vector<float> noise(size_t n, unsigned seed) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> gauss;
    std::vector<float> out(n);
    for (float& v : out)
        v = gauss(rng);
    return out;
}

} // namespace

class RowPasses : public QObject {
    Q_OBJECT
private slots:
    void differences() {
        for (const size_t n : kLengths) {
            const auto a = noise(n, 1), b = noise(n, 2);
            double squares = 0, reference = 0;
            float most = 0;
            for (size_t i = 0; i < n; ++i) {
                const float d = a[i] - b[i];
                squares += double(d) * double(d);
                reference += double(a[i]) * double(a[i]);
                most = std::max(most, std::fabs(d));
            }
            std::vector<float> difference(n + 1, 9.0f);
            const DifferenceSums s = sumDifferences(a.data(), b.data(), n, difference.data());
            QVERIFY(std::fabs(s.squares - squares) <= 1e-12 * (1 + squares));
            QVERIFY(std::fabs(s.reference - reference) <= 1e-12 * (1 + reference));
            QCOMPARE(s.most, most);
            for (size_t i = 0; i < n; ++i)
                QCOMPARE(difference[i], a[i] - b[i]);
            QCOMPARE(difference[n], 9.0f);
            QCOMPARE(sumDifferences(a.data(), b.data(), n, nullptr).squares, s.squares);
        }
    }
    void whatIsNotFiniteShows() {
        for (const size_t n : {1, 16, 33, 70})
            for (size_t at = 0; at < n; ++at)
                for (const float bad : {kNaN, kInfinity, -kInfinity}) {
                    auto a = noise(n, 3);
                    const auto b = noise(n, 4);
                    QCOMPARE(countNotFinite(a.data(), n), size_t(0));
                    a[at] = bad;
                    QCOMPARE(countNotFinite(a.data(), n), size_t(1));
                    const std::vector<double> wide(a.begin(), a.end());
                    QCOMPARE(countNotFinite(wide.data(), n), size_t(1));
                    const DifferenceSums s = sumDifferences(a.data(), b.data(), n, nullptr);
                    QVERIFY(std::isnan(bad) ? std::isnan(s.most) && std::isnan(s.squares)
                                            : std::isinf(s.most) && std::isinf(s.squares));
                }
    }
    /// As nearbyint and clamp say, ties to even, with and without an offset; and back.
    void uniformGrids() {
        for (const size_t n : kLengths) {
            auto x = noise(n, 5);
            for (size_t i = 0; i < n; ++i)
                if (i % 5 == 0) x[i] = 0.25f * (float(i) - 7.5f); // half-way between two codes
            const float scale = 0.25f, inverse = 4, centre = 8, last = 15, offset = 0.5f;
            std::vector<uint8_t> codes(n + 1, 99);
            roundUniform(x.data(), n, offset, inverse, centre, last, codes.data());
            std::vector<float> values(n + 1, 9.0f);
            decodeUniform(codes.data(), n, scale, centre, offset, values.data());
            for (size_t i = 0; i < n; ++i) {
                const float code = std::nearbyint(std::clamp((x[i] + offset) * inverse + centre, 0.0f, last));
                QCOMPARE(float(codes[i]), code);
                QCOMPARE(values[i], scale * (code - centre) - offset);
            }
            QCOMPARE(codes[n], uint8_t(99));
            QCOMPARE(values[n], 9.0f);
        }
    }
    /// Errors and sums of a group, beside those of codes that roundUniform finds, by loops in float64.
    void sumsOfUniformGroups() {
        for (const size_t n : {16, 32})
            for (const bool weighted : {false, true}) {
                auto x = noise(n, 9);
                for (size_t i = 0; i < n; i += 4)
                    x[i] = 0.25f * (float(i) - 7.5f); // half-way between two codes, and beyond the last
                auto w = noise(n, 10);
                for (float& v : w)
                    v = std::fabs(v) + 0.1f;
                const float offset = 0.5f, scale = 0.26f, centre = 8, last = 15;
                const UniformGroup group{x.data(), weighted ? w.data() : nullptr, n, offset, 4, centre, last};
                std::vector<uint8_t> codes(n);
                roundUniform(x.data(), n, offset, 4, centre, last, codes.data());
                double sums[6] = {};
                for (size_t i = 0; i < n; ++i) {
                    const double wi = weighted ? double(w[i]) : 1.0, v = double(codes[i]) - double(centre);
                    const double e = double(scale) * v - double(offset) - double(x[i]);
                    const double terms[] = {
                        wi, wi * v, wi * v * v, wi * double(x[i]), wi * v * double(x[i]), wi * e * e};
                    for (size_t k = 0; k < 6; ++k)
                        sums[k] += terms[k];
                }
                const UniformSums s = uniformSums(group, scale, offset);
                const double got[] = {s.w, s.v, s.vv, s.x, s.vx, s.error};
                for (size_t k = 0; k < 6; ++k)
                    QVERIFY2(std::fabs(got[k] - sums[k]) <= 1e-12 * (1 + std::fabs(sums[k])),
                             qPrintable(QString::number(k)));
                QCOMPARE(uniformError(group, scale, offset), s.error);
            }
    }
    void allCodesDecode() {
        std::vector<uint8_t> codes(256);
        for (size_t i = 0; i < 256; ++i)
            codes[i] = uint8_t(i);
        std::vector<float> values(256);
        decodeUniform(codes.data(), 256, 0.1f, 128, 0, values.data());
        for (size_t i = 0; i < 256; ++i)
            QCOMPARE(values[i], 0.1f * (float(i) - 128));
    }
    void bins() {
        for (const size_t n : kLengths) {
            auto x = noise(n, 6);
            for (size_t i = 0; i < n; ++i)
                x[i] *= std::ldexp(1.0f, int(i % 90) - 45);
            const float special[] = {0.0f, -0.0f, kInfinity, -kInfinity, kNaN, 1e-45f, 3.4e38f};
            for (size_t i = 0; i < n; i += 3)
                x[i] = special[i / 3 % 7];
            std::vector<uint32_t> found(n + 1, 7u);
            uint32_t most = 0;
            const uint32_t largest = magnitudeBinsOf(x.data(), n, found.data());
            for (size_t i = 0; i < n; ++i) {
                const uint32_t magnitude = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
                most = std::max(most, magnitude);
                QCOMPARE(size_t(found[i]), magnitudeBin(magnitude));
            }
            QCOMPARE(largest, most);
            QCOMPARE(found[n], 7u);
        }
    }
};

QS_TEST(RowPasses)
#include "tst_row_passes.moc"

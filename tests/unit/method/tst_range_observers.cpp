// SPDX-License-Identifier: Apache-2.0
// Percentiles and the divergence of histograms as ranges of weights.
#include "core/quant/range/observers.h"
#include "core/quant/range/range_search.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <algorithm>
#include <cmath>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

/// Normal values, and one far out.
std::vector<float> heavy(size_t n) {
    std::mt19937_64 rng(7);
    std::vector<float> v(n);
    for (float& x : v)
        x = float(gaussian(rng));
    v[n / 3] = 25;
    return v;
}

std::shared_ptr<const Codec> codecOfGrid(const char* grid, int bits) {
    return intCodec({{"bits", bits}, {"group", -1}, {"grid", grid}, {"scale_dtype", "f32"}});
}

/// KL(before || after) of histograms of magnitudes with `bins` of `all` bins inside, written out from the
/// description: what is outside counts in the last bin of the first; a run of bins with one rounded value
/// shares its mass among those that are not empty.
double divergenceOf(const std::vector<float>& v, double top, size_t all, size_t bins, int levels) {
    std::vector<double> count(all);
    for (const float x : v)
        ++count[std::min(all - 1, size_t(std::fabs(double(x)) / top * double(all)))];
    const double step = top * double(bins) / double(all) / levels;
    std::vector<double> p(count.begin(), count.begin() + long(bins)), q(bins);
    double outside = 0, inside = 0;
    for (size_t i = 0; i < all; ++i)
        (i < bins ? inside : outside) += count[i];
    p[bins - 1] += outside;
    const auto levelOf = [&](size_t i) {
        return std::nearbyint((double(i) + 0.5) * top / double(all) / step);
    };
    for (size_t i = 0; i < bins; ++i) {
        double mass = 0, filled = 0;
        for (size_t j = 0; j < bins; ++j)
            if (levelOf(j) == levelOf(i)) {
                mass += count[j];
                filled += count[j] > 0;
            }
        q[i] = count[i] > 0 ? mass / filled / inside : 0;
    }
    double sum = 0;
    for (size_t i = 0; i < bins; ++i) {
        if (p[i] == 0) continue;
        if (q[i] == 0) return INFINITY;
        sum += p[i] / double(v.size()) * std::log(p[i] / double(v.size()) / q[i]);
    }
    return sum;
}

} // namespace

class RangeObservers : public QObject {
    Q_OBJECT
private slots:
    void percentiles() {
        const auto v = heavy(4000);
        std::vector<float> sorted = v, magnitudes = v;
        std::sort(sorted.begin(), sorted.end());
        for (float& m : magnitudes)
            m = std::fabs(m);
        std::sort(magnitudes.begin(), magnitudes.end());
        const auto i = percentileInterval(*codecOfGrid("asymmetric", 4), v, 5e-4, {-30, 30});
        QCOMPARE(i.low, sorted[2]); // 0.0005 x 3999 = 2.0
        QCOMPARE(i.high, sorted[3997]);
        const auto s = percentileInterval(*codecOfGrid("absmax", 4), v, 5e-4, {-30, 30});
        QCOMPARE(s.high, magnitudes[3995]);
        QCOMPARE(s.low, -s.high);
        // In a group of 128 no rank is left out.
        const std::vector<float> few(v.begin(), v.begin() + 128);
        const auto all = percentileInterval(*codecOfGrid("asymmetric", 4), few, 5e-4, {0, 0});
        QCOMPARE(all.low, *std::min_element(few.begin(), few.end()));
        QCOMPARE(all.high, *std::max_element(few.begin(), few.end()));
        const std::vector<float> zeros(50);
        QCOMPARE(percentileInterval(*codecOfGrid("absmax", 4), zeros, 5e-4, {-1, 2}).high, 2.0f);
    }

    // The interval that was taken is the best of all by the description.
    void divergence() {
        const auto v = heavy(6000);
        constexpr size_t kAll = 736; // an eighth of the values, in sixteens
        const auto got = leastDivergence(*codecOfGrid("absmax", 4), v, {-25, 25});
        QCOMPARE(got.low, -got.high);
        double least = INFINITY;
        size_t best = 0;
        for (size_t bins = kAll / 16; bins <= kAll; bins += 2) {
            const double d = divergenceOf(v, 25, kAll, bins, 7);
            if (d < least) {
                least = d;
                best = bins;
            }
        }
        QVERIFY2(
            std::fabs(double(got.high) - 25.0 * double(best) / double(kAll)) <= 25.0 * 2.5 / double(kAll),
            qPrintable(QString("%1, expected %2").arg(got.high).arg(25.0 * double(best) / double(kAll))));
        QVERIFY(got.high < 12); // the value far out is given up
    }

    // As a method's parameter: what the rule gives, row by row, in rtn and in GPTQ.
    void asAParameter_data() {
        QTest::addColumn<QString>("range");
        QTest::newRow("percentile") << "percentile";
        QTest::newRow("kl") << "kl";
    }
    void asAParameter() {
        QFETCH(QString, range);
        Layer layer = makeLayer(6, 2048, 64, 3);
        for (size_t r = 0; r < 6; ++r)
            layer.weight(r, 100 * r) = 1.5f; // the others are below 0.3
        const auto codec = codecOfGrid("absmax", 4);
        const auto backend = makeCpuBackend(2);
        const auto q = runMethod("rtn", layer, *codec, *backend, {{"range", range.toStdString()}});
        QS_VERIFY_OK(q);
        for (size_t r = 0; r < 6; ++r) {
            const auto [lo, hi] = std::minmax_element(layer.weight.row(r), layer.weight.row(r) + 2048);
            const std::span<const float> row(layer.weight.row(r), 2048);
            const Interval i = range == "kl" ? leastDivergence(*codec, row, {*lo, *hi})
                                             : percentileInterval(*codec, row, 5e-4, {*lo, *hi});
            float scale = 0, zero = 0;
            codec->fitRange(i.low, i.high, scale, zero);
            QCOMPARE(q->scale(r, 0), scale);
            QVERIFY(scale < 0.5f * 1.5f / 7); // finer than the whole range
        }
        const auto blocks = *(*findCodec("mx"))->create(Params::defaults((*findCodec("mx"))->params));
        const auto refused = runMethod("rtn", layer, *blocks, *backend, {{"range", range.toStdString()}});
        QVERIFY(!refused &&
                refused.error().message.find("instead of " + range.toStdString()) != std::string::npos);
        QS_VERIFY_OK(runMethod("gptq", layer, *codec, *backend, {{"range", range.toStdString()}}));
        QCOMPARE(rangeRuleName(rangeChoice(Params::defaults((*findMethod("rtn"))->params)).rule), "minmax");
    }
};

QS_TEST(RangeObservers)
#include "tst_range_observers.moc"

// SPDX-License-Identifier: Apache-2.0
#include "core/codec/mixed_groups.h"
#include "core/quant/rounding/gptq_solver.h"
#include "tests/support/qs_test.h"
#include "tests/unit/method/method_fixture.h"

#include <numeric>

using namespace qs;
using namespace qs::test;

namespace {

std::shared_ptr<const Codec> mixed(int bits, int group) {
    const CodecDescriptor* d = *findCodec("int_mixed");
    return *d->create(
        *Params::fromJson(d->params, {{"bits", bits}, {"group", group}, {"scale_dtype", "f32"}}, "test"));
}

/// Groups of 16 columns whose weights have sizes of their own, and inputs that are correlated.
Layer unevenLayer(size_t rows, size_t cols, uint64_t seed) {
    Layer l = makeLayer(rows, cols, 300, seed);
    for (size_t r = 0; r < rows; ++r)
        for (size_t c = 0; c < cols; ++c)
            l.weight(r, c) *= float(std::pow(1.6, double((c / 16) * 5 % 8)));
    return l;
}

/// Nearest rounding of a group of a row with `bits`, on the grid of GPTQ; 1 bit is mean -+ mean deviation,
/// the mean a whole number of halves of the deviation.
void roundGroup(const float* w, int bits, float* out) {
    float lo = 0, hi = 0;
    double mean = 0, deviation = 0;
    for (size_t c = 0; c < 16; ++c) {
        lo = std::min(lo, w[c]);
        hi = std::max(hi, w[c]);
        mean += double(w[c]) / 16;
    }
    for (size_t c = 0; c < 16; ++c)
        deviation += std::fabs(double(w[c]) - mean) / 16;
    mean = std::nearbyint(2 * mean / deviation) * deviation / 2;
    const double top = double((1 << bits) - 1), scale = double(hi - lo) / top;
    const double zero = std::nearbyint(-double(lo) / scale);
    for (size_t c = 0; c < 16; ++c) {
        const double w0 = double(w[c]);
        out[c] = bits == 1 ? float(w0 < mean ? mean - deviation : mean + deviation)
                           : float(scale * (std::clamp(std::nearbyint(w0 / scale) + zero, 0.0, top) - zero));
    }
}

std::vector<int> bitsOf(const QuantizedTensor& q) {
    std::vector<int> bits;
    for (size_t g = 0; g < q.layout.groups; ++g)
        bits.push_back(int(q.zero(0, g)) / 256);
    return bits;
}

} // namespace

class Method_slim_llm : public QObject {
    Q_OBJECT
private slots:
    /// All numbers of groups, rounded and measured with plain loops over the inputs.
    void allocationIsTheBestOfTheSalienceOrder() {
        for (const int bits : {2, 3}) {
            const Layer l = unevenLayer(24, 128, 11);
            auto backend = makeCpuBackend(2);
            const auto codec = mixed(bits, 16);
            const auto q = runMethod("slim_llm", l, *codec, *backend);
            QS_VERIFY_OK(q);
            QS_VERIFY_OK(codec->checkParameters(*q));
            const std::vector<double> cost = *gptqErrorCosts(l.sigma, {}, *backend);
            std::vector<double> salience(8);
            for (size_t r = 0; r < 24; ++r)
                for (size_t c = 0; c < 128; ++c)
                    salience[c / 16] += std::pow(double(l.weight(r, c)), 2) * cost[c];
            std::vector<size_t> order(8);
            std::iota(order.begin(), order.end(), size_t(0));
            std::sort(order.begin(), order.end(),
                      [&](size_t a, size_t b) { return salience[a] < salience[b]; });
            double least = INFINITY, uniform = 0;
            std::vector<int> best;
            for (size_t k = 0; k <= 4; ++k) {
                std::vector<int> now(8, bits);
                for (size_t i = 0; i < k; ++i) {
                    now[order[i]] = bits - 1;
                    now[order[7 - i]] = bits + 1;
                }
                Matrix rounded(24, 128);
                for (size_t r = 0; r < 24; ++r)
                    for (size_t g = 0; g < 8; ++g)
                        roundGroup(l.weight.row(r) + g * 16, now[g], rounded.row(r) + g * 16);
                const double error = outputError(l, rounded);
                if (k == 0) uniform = error;
                if (error < least) {
                    least = error;
                    best = now;
                }
            }
            qInfo("%d bits: %.4g of the error of equal bits", bits, least / uniform);
            QVERIFY(best != std::vector<int>(8, bits)); // the layer asks for differences
            QCOMPARE(bitsOf(*q), best);
        }
    }

    /// Inputs that do not depend on each other: every group's grid is the best of the 101 ranges for its own
    /// values, with errors of salient weights counted lambda times.
    void rangesAreSearched() {
        Layer l = makeLayer(6, 32, 2, 12);
        for (size_t i = 0; i < 32; ++i)
            for (size_t j = 0; j < 32; ++j)
                l.sigma(i, j) = i == j ? 2 : 0;
        auto backend = makeCpuBackend(1);
        const auto codec = mixed(3, 32);
        for (const double lambda : {1.0, 50.0}) {
            const auto q = runMethod("slim_llm", l, *codec, *backend, {{"lambda", lambda}});
            QS_VERIFY_OK(q);
            double sum = 0, squares = 0;
            for (const float w : l.weight.span()) {
                sum += double(w) * double(w);
                squares += std::pow(double(w), 4);
            }
            const double mean = sum / 192, bound = mean + 2 * std::sqrt(squares / 192 - mean * mean);
            for (size_t r = 0; r < 6; ++r) {
                const auto [lo, hi] = std::minmax_element(l.weight.row(r), l.weight.row(r) + 32);
                double least = INFINITY, chosen = 0;
                for (int i = -50; i <= 50; ++i) {
                    const double share = 1 + 0.1 * i / 50, scale = share * double(*hi - *lo) / 7;
                    const double zero = std::nearbyint(-share * double(*lo) / scale);
                    double loss = 0;
                    for (size_t c = 0; c < 32; ++c) {
                        const double w = double(l.weight(r, c));
                        const double v =
                            scale * (std::clamp(std::nearbyint(w / scale) + zero, 0.0, 7.0) - zero);
                        loss += (w * w > bound ? lambda : 1) * std::pow(std::fabs(w - v), 2.4);
                    }
                    if (loss < least) {
                        least = loss;
                        chosen = scale;
                    }
                }
                QVERIFY2(
                    std::fabs(double(q->scale(r, 0)) - chosen) <= 1e-5 * chosen,
                    qPrintable(QString("row %1: %2, expected %3").arg(r).arg(q->scale(r, 0)).arg(chosen)));
            }
        }
    }

    /// At as many bits of codes: less error than GPTQ with bits that are all alike.
    void bitsThatDifferPay() {
        auto backend = makeCpuBackend(2);
        for (const int bits : {2, 3})
            for (uint64_t seed = 20; seed < 23; ++seed) {
                const Layer l = unevenLayer(48, 128, seed);
                const auto codec = mixed(bits, 16);
                const auto even = intCodec({{"bits", bits}, {"group", 16}});
                const double own = outputError(
                                 l, codec->dequantize(*runMethod("slim_llm", l, *codec, *backend))),
                             gptq = outputError(l, even->dequantize(*runMethod("gptq", l, *even, *backend)));
                qInfo("%d bits: %.4g, gptq %.4g", bits, own, gptq);
                QVERIFY(own < gptq);
            }
    }
};

QS_TEST(Method_slim_llm)
#include "tst_method_slim_llm.moc"

// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/kmeans.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <random>

using namespace qs;
using namespace qs::linalg;

namespace {

/// The least loss over all ways to cut sorted values into at most k runs, by trying them.
double leastLoss(const std::vector<std::pair<double, double>>& sorted, size_t begin, size_t k) {
    if (begin == sorted.size()) return 0;
    if (k == 0) return INFINITY;
    double best = INFINITY;
    for (size_t end = begin + 1; end <= sorted.size(); ++end) {
        double w = 0, mean = 0, loss = 0;
        for (size_t i = begin; i < end; ++i) {
            w += sorted[i].second;
            mean += sorted[i].second * sorted[i].first;
        }
        mean = w > 0 ? mean / w : 0;
        for (size_t i = begin; i < end; ++i)
            loss += sorted[i].second * (sorted[i].first - mean) * (sorted[i].first - mean);
        best = std::min(best, loss + leastLoss(sorted, end, k - 1));
    }
    return best;
}

double plainLoss(const std::vector<float>& values, const std::vector<float>& weights,
                 const std::vector<float>& centers) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
        double nearest = INFINITY;
        for (const float c : centers)
            nearest = std::min(nearest, std::pow(double(values[i]) - double(c), 2));
        sum += nearest * (weights.empty() ? 1.0 : double(weights[i]));
    }
    return sum;
}

} // namespace

class KMeans : public QObject {
    Q_OBJECT
private slots:
    void lineByHand() {
        // {0, 1} and {10, 12}: 0.5 + 2; any other cut loses more.
        const std::vector<float> values = {12, 0, 10, 1};
        QCOMPARE(kMeansOfLine(values, {}, 2), (std::vector<float>{0.5f, 11}));
        QCOMPARE(plainLoss(values, {}, kMeansOfLine(values, {}, 2)), 2.5);
        // Weight 3 at 12 draws its mean there: (10 + 36) / 4.
        const std::vector<float> weights = {3, 1, 1, 1};
        QCOMPARE(kMeansOfLine(values, weights, 2), (std::vector<float>{0.5f, 11.5f}));
    }
    void lineIsTheBestOfAllCuts() {
        std::mt19937_64 random(3);
        for (int turn = 0; turn < 300; ++turn) {
            const size_t n = 1 + random() % 9, k = 1 + random() % 5;
            std::vector<float> values(n), weights(turn % 3 ? n : 0);
            for (float& v : values)
                v = float(int(random() % 41) - 20) * 0.25f + (turn % 2 ? 1000.0f : 0.0f); // some come twice
            for (float& w : weights)
                w = float(random() % 8); // some weigh nothing
            if (!weights.empty()) weights[0] = 1;
            std::vector<std::pair<double, double>> sorted;
            for (size_t i = 0; i < n; ++i)
                sorted.emplace_back(values[i], weights.empty() ? 1.0 : double(weights[i]));
            std::sort(sorted.begin(), sorted.end());
            const auto centers = kMeansOfLine(values, weights, k);
            QCOMPARE(centers.size(), k);
            QVERIFY(std::is_sorted(centers.begin(), centers.end()));
            const double own = plainLoss(values, weights, centers), best = leastLoss(sorted, 0, k);
            QVERIFY2(own <= best + 1e-6 * (1 + best),
                     qPrintable(QString("turn %1: %2 against %3").arg(turn).arg(own).arg(best)));
        }
    }
    void fewValues() {
        QCOMPARE(kMeansOfLine(std::vector<float>{2, 2, -1}, {}, 4), (std::vector<float>{-1, 2, 2, 2}));
        QCOMPARE(kMeansOfLine(std::vector<float>{5}, {}, 1), (std::vector<float>{5}));
        QCOMPARE(kMeansOfLine(std::vector<float>{5, 7}, std::vector<float>{0, 2}, 1),
                 (std::vector<float>{7}));
    }
    void findsClouds() {
        std::mt19937_64 random(5);
        Matrix points(400, 3);
        const auto small = [&] { return float(double(random() >> 11) * 0x1p-53 - 0.5); };
        for (size_t i = 0; i < points.rows(); ++i)
            for (size_t j = 0; j < 3; ++j)
                points(i, j) = 10 * float((i % 8) >> j & 1) + small();
        const Matrix centers = kMeans(points.view(), {}, {.clusters = 8, .stop = 0, .seed = 1});
        std::vector<bool> found(8);
        for (size_t c = 0; c < 8; ++c) {
            size_t corner = 0;
            for (size_t j = 0; j < 3; ++j) {
                const float at = centers(c, j) > 5 ? 10.0f : 0.0f;
                QVERIFY(std::fabs(centers(c, j) - at) < 0.3f);
                corner |= size_t(centers(c, j) > 5) << j;
            }
            found[corner] = true;
        }
        QVERIFY(std::all_of(found.begin(), found.end(), [](bool b) { return b; }));
    }
    /// At the end every center is the weighted mean of the points that are nearest to it.
    void endsWhereNothingMoves() {
        std::mt19937_64 random(6);
        Matrix points(700, 2);
        std::vector<float> weights(700);
        for (float& v : points.span())
            v = float(double(random() >> 11) * 0x1p-53);
        for (float& w : weights)
            w = float(1 + random() % 9);
        const KMeansOptions options{.clusters = 12, .rounds = 400, .stop = 0, .seed = 2};
        const Matrix centers = kMeans(points.view(), weights, options);
        MatrixD sums(12, 3);
        for (size_t i = 0; i < points.rows(); ++i) {
            size_t best = 0;
            double least = INFINITY;
            for (size_t c = 0; c < 12; ++c) {
                const double dx = double(points(i, 0)) - double(centers(c, 0)),
                             dy = double(points(i, 1)) - double(centers(c, 1));
                if (dx * dx + dy * dy < least) {
                    least = dx * dx + dy * dy;
                    best = c;
                }
            }
            sums(best, 0) += double(weights[i]) * double(points(i, 0));
            sums(best, 1) += double(weights[i]) * double(points(i, 1));
            sums(best, 2) += double(weights[i]);
        }
        for (size_t c = 0; c < 12; ++c)
            for (size_t j = 0; j < 2; ++j)
                QVERIFY(std::fabs(sums(c, j) / sums(c, 2) - double(centers(c, j))) < 1e-5);
        const Matrix again = kMeans(points.view(), weights, options);
        QVERIFY(std::equal(again.span().begin(), again.span().end(), centers.span().begin()));
    }
    void moreCentersThanPoints() {
        Matrix points(3, 2);
        points(1, 0) = 4;
        points(2, 1) = 7;
        const Matrix centers = kMeans(points.view(), {}, {.clusters = 8, .seed = 1});
        const NearestCenter table(centers.view());
        const std::vector<float> ones = {1, 1};
        for (size_t i = 0; i < 3; ++i) {
            const size_t c = table.nearest(points.view().rowSpan(i), ones, 8);
            QCOMPARE(table.value(c, 0), points(i, 0));
            QCOMPARE(table.value(c, 1), points(i, 1));
        }
    }
    void nearestByPlainLoop() {
        std::mt19937_64 random(7);
        const auto number = [&] { return float(double(random() >> 11) * 0x1p-52 - 1); };
        for (const size_t count : {1u, 5u, 256u, 700u}) {
            Matrix centers(count, 4);
            for (float& v : centers.span())
                v = number();
            const NearestCenter table(centers.view());
            for (int turn = 0; turn < 200; ++turn) {
                const size_t dimensions = 1 + random() % 4, among = 1 + random() % count;
                std::vector<float> x(dimensions), scale(dimensions);
                for (size_t j = 0; j < dimensions; ++j) {
                    x[j] = number();
                    scale[j] = std::fabs(number()) + 0.1f;
                }
                const auto loss = [&](size_t c) {
                    float sum = 0;
                    for (size_t j = 0; j < dimensions; ++j) {
                        const float d = x[j] - scale[j] * centers(c, j);
                        sum += d * d;
                    }
                    return sum;
                };
                size_t best = 0;
                for (size_t c = 1; c < among; ++c)
                    if (loss(c) < loss(best)) best = c;
                QCOMPARE(table.nearest(x, scale, among), best);
            }
        }
    }
};

QS_TEST(KMeans)
#include "tst_kmeans.moc"

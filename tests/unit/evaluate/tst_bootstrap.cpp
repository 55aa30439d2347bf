// SPDX-License-Identifier: Apache-2.0
#include "core/evaluate/bootstrap.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

using namespace qs;
using namespace qs::test;
using nlohmann::json;

namespace {

double normalBelow(double x) {
    return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

} // namespace

class BootstrapTest : public QObject {
    Q_OBJECT
private slots:
    /// tests/golden/gen/bootstrap.py computes the definition of the header in NumPy.
    void golden() {
        const json cases = json::parse(std::ifstream(sourceDir() / "tests/golden/evaluate/bootstrap.json"));
        QCOMPARE(cases.size(), size_t(3));
        for (const json& c : cases) {
            const auto a = c.at("a").get<std::vector<float>>(), b = c.at("b").get<std::vector<float>>();
            const BootstrapOptions options{c.at("resamples").get<size_t>(),
                                           std::stoull(c.at("seed").get<std::string>())};
            const auto d = pairedBootstrap(a, b, c.at("per_window").get<size_t>(), options, {});
            QS_VERIFY_OK(d);
            const json& e = c.at("expected");
            const std::pair<const char*, double> numbers[] = {{"mean", d->mean},
                                                              {"standard_error", d->standardError},
                                                              {"low", d->low},
                                                              {"high", d->high},
                                                              {"probability_below", d->probabilityBelow}};
            for (const auto& [key, value] : numbers)
                QVERIFY2(std::fabs(value - e.at(key).get<double>()) <= 1e-12,
                         qPrintable(QString("%1: %2").arg(key).arg(value, 0, 'g', 17)));
            QCOMPARE(d->windows, a.size() / c.at("per_window").get<size_t>());
        }
    }
    void byHand() {
        // Two windows of two tokens, differences -1 and 3: a resample's mean is -1, 1, 1 or 3, each as
        // likely.
        const std::vector<float> a = {0, 1, 5, 4}, b = {1, 2, 2, 1};
        const auto d = pairedBootstrap(a, b, 2, {100000, 5}, {});
        QS_VERIFY_OK(d);
        QCOMPARE(d->mean, 1.0);
        QCOMPARE(d->low, -1.0);
        QCOMPARE(d->high, 3.0);
        QVERIFY(std::fabs(d->probabilityBelow - 0.25) <= 0.006); // 4 standard deviations
        QVERIFY(std::fabs(d->standardError - std::sqrt(2.0)) <= 0.02);
    }
    void normalLimit() {
        // Many independent windows: the standard error is s / sqrt(W), the interval and the probability those
        // of a normal distribution.
        std::mt19937_64 rng(3);
        std::normal_distribution<double> noise(0, 0.3);
        constexpr size_t kWindows = 400;
        std::vector<float> a(kWindows), b(kWindows, 1.0f);
        for (float& v : a)
            v = float(1.0 - 0.02 + noise(rng));
        double mean = 0, squares = 0;
        for (const float v : a)
            mean += (double(v) - 1) / kWindows;
        for (const float v : a)
            squares += (double(v) - 1 - mean) * (double(v) - 1 - mean);
        const double se = std::sqrt(squares / kWindows / kWindows);
        const auto d = pairedBootstrap(a, b, 1, {20000, 1}, {});
        QS_VERIFY_OK(d);
        QVERIFY(std::fabs(d->mean - mean) <= 1e-12);
        QVERIFY(std::fabs(d->standardError - se) <= 0.03 * se);
        QVERIFY(std::fabs(d->low - (mean - 1.959964 * se)) <= 0.08 * se);
        QVERIFY(std::fabs(d->high - (mean + 1.959964 * se)) <= 0.08 * se);
        QVERIFY(std::fabs(d->probabilityBelow - normalBelow(-mean / se)) <= 0.02);
    }
    void tokensOfAWindowCountOnce() {
        // Every window repeats one difference 16 times: there are 30 facts, not 480. Resampling tokens would
        // give a quarter of the standard error.
        std::mt19937_64 rng(9);
        std::normal_distribution<double> noise(0, 1);
        std::vector<float> a, b;
        for (int w = 0; w < 30; ++w)
            for (int t = 0; t < 16; ++t) {
                a.push_back(t == 0 ? float(noise(rng)) : a.back());
                b.push_back(0);
            }
        const auto windows = pairedBootstrap(a, b, 16, {}, {}), tokens = pairedBootstrap(a, b, 1, {}, {});
        QS_VERIFY_OK(windows);
        QS_VERIFY_OK(tokens);
        const double ratio = windows->standardError / tokens->standardError;
        QVERIFY2(ratio >= 3.7 && ratio <= 4.3, qPrintable(QString::number(ratio)));
    }
    void seedDecides() {
        const std::vector<float> a = {1, 2, 3, 4, 5, 7}, b = {2, 2, 2, 4, 4, 9};
        const auto first = pairedBootstrap(a, b, 1, {500, 1}, {}),
                   again = pairedBootstrap(a, b, 1, {500, 1}, {}),
                   other = pairedBootstrap(a, b, 1, {500, 2}, {});
        QS_VERIFY_OK(first);
        QCOMPARE(first->standardError, again->standardError);
        QCOMPARE(first->probabilityBelow, again->probabilityBelow);
        QVERIFY(first->standardError != other->standardError);
        // The same values: no difference, and neither is better.
        const auto none = pairedBootstrap(a, a, 1, {}, {});
        QCOMPARE(none->mean, 0.0);
        QCOMPARE(none->probabilityBelow, 0.5);
    }
    void refusals() {
        const std::vector<float> a = {1, 2, 3, 4}, three = {1, 2, 3}, nan = {1, 2, NAN, 4};
        QVERIFY(!pairedBootstrap(a, three, 1, {}, {}));
        QVERIFY(!pairedBootstrap(a, a, 3, {}, {}));
        QVERIFY(!pairedBootstrap(a, a, 0, {}, {}));
        QVERIFY(!pairedBootstrap(a, a, 4, {}, {})); // one window
        QVERIFY(!pairedBootstrap({}, {}, 1, {}, {}));
        QVERIFY(!pairedBootstrap(a, nan, 1, {}, {}));
        QVERIFY(!pairedBootstrap(a, a, 1, {99, 0}, {}));
        std::stop_source stop;
        stop.request_stop();
        const std::vector<float> many(1 << 16, 1.0f);
        QVERIFY(pairedBootstrap(many, many, 1, {}, JobContext(stop.get_token())).isCancelled());
    }
};

QS_TEST(BootstrapTest)
#include "tst_bootstrap.moc"

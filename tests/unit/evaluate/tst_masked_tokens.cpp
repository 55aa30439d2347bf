// SPDX-License-Identifier: Apache-2.0
// The masked-token loss of encoders, against plain loops over the golden BERT.
#include "core/evaluate/evaluate.h"
#include "core/evaluate/scored_tokens.h"
#include "core/model/forward.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int32_t kMask = 2;

TokenWindows someTokens(size_t windows, size_t length) {
    TokenWindows t(windows, length);
    for (size_t i = 0; i < t.size(); ++i)
        t.data()[i] = int32_t(3 + (i * 11 + i / 7) % 55);
    return t;
}

} // namespace

class MaskedTokens : public QObject {
    Q_OBJECT
private slots:
    void chosenPositions() {
        const TokenWindows tokens = someTokens(50, 40);
        const ScoredWindows a = maskedTokens(tokens, kMask, 7);
        QCOMPARE(a.scored.size(), size_t(50 * 6)); // 15 % of 40
        std::set<size_t> rows, positions;
        for (const ScoredToken& s : a.scored) {
            QVERIFY(rows.insert(s.row).second);
            positions.insert(s.row % 40);
            QCOMPARE(s.target, size_t(tokens.data()[s.row]));
            QCOMPARE(a.input.data()[s.row], kMask);
        }
        QCOMPARE(positions.size(), size_t(40)); // 300 draws reach every position
        size_t changed = 0;
        for (size_t i = 0; i < tokens.size(); ++i)
            changed += a.input.data()[i] != tokens.data()[i];
        QCOMPARE(changed, a.scored.size());
        // A window's positions depend on the seed and its number alone.
        const ScoredWindows few = maskedTokens(someTokens(2, 40), kMask, 7),
                            other = maskedTokens(tokens, kMask, 8);
        bool same = true;
        for (size_t i = 0; i < few.scored.size(); ++i) {
            QCOMPARE(few.scored[i].row, a.scored[i].row);
            same = same && other.scored[i].row == a.scored[i].row;
        }
        QVERIFY(!same);
        QCOMPARE(maskedTokens(someTokens(1, 2), kMask, 0).scored.size(), size_t(1)); // at least one
    }
    void lossAgainstPlainLoops() {
        const auto model = openModel(sourceDir() / "tests/golden/arch/bert");
        QS_VERIFY_OK(model);
        ModelSpec spec = (*model)->spec();
        const auto weights = modelWeights(**model);
        const auto backend = makeCpuBackend();
        const TokenWindows tokens = someTokens(5, 20);
        const auto without = evaluate(spec, *weights, nullptr, tokens, {}, *backend, {});
        QVERIFY(!without);
        QVERIFY2(without.error().message.find("[MASK]") != std::string::npos,
                 without.error().message.c_str());

        spec.maskToken = kMask;
        const EvaluateOptions options{.maskSeed = 3};
        const auto e = evaluate(spec, *weights, weights.get(), tokens, options, *backend, {});
        QS_VERIFY_OK(e);
        const ScoredWindows masked = maskedTokens(tokens, kMask, 3);
        double sum = 0;
        for (size_t w = 0; w < tokens.rows(); ++w) {
            const std::vector<int32_t> ids(masked.input.row(w), masked.input.row(w) + 20);
            const auto logits = computeLogits(spec, *weights, ids, *backend, {});
            QS_VERIFY_OK(logits);
            for (const ScoredToken& s : masked.scored) {
                if (s.row / 20 != w) continue;
                double total = 0;
                for (size_t v = 0; v < logits->cols(); ++v)
                    total += std::exp(double((*logits)(s.row % 20, v)));
                sum += std::log(total) - double((*logits)(s.row % 20, s.target));
            }
        }
        QCOMPARE(e->tokens, uint64_t(15)); // 3 of 20 in each of 5 windows
        QVERIFY(std::fabs(e->nll - sum / 15) <= 1e-5);
        QVERIFY(e->kl <= 1e-9);
        QCOMPARE(e->top1, 1.0);
        // It says what it measured.
        QCOMPARE(std::string(e->measure()), std::string("masked-token loss"));
        QVERIFY(!e->toJson().contains("ppl"));
        QCOMPARE(e->toJson().at("measure").get<std::string>(), std::string("masked-token loss"));
        QVERIFY(e->protocol.find("3 of each masked") != std::string::npos);
    }
};

QS_TEST(MaskedTokens)
#include "tst_masked_tokens.moc"

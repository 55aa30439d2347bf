// SPDX-License-Identifier: Apache-2.0
// Products of bfloat16 factors, on the sample model: how far losses, Sigma and runs move, and that results of
// the two precisions are never taken for each other.
#include "core/evaluate/compare.h"
#include "core/evaluate/evaluation_store.h"
#include "core/run/run.h"
#include "tests/support/qs_test.h"

#include <cmath>

using namespace qs;
using namespace qs::test;

class PrecisionTest : public QObject {
    Q_OBJECT
    std::shared_ptr<const Model> m_model;
    TokenWindows m_tokens;
    std::unique_ptr<Backend> m_exact = makeCpuBackend(), m_half = makeCpuBackend(0, Precision::BF16);

    Plan plan() const {
        const auto scheme = Scheme::fromJson(
            {{"codec", "int"}, {"codec_params", {{"bits", 4}, {"group", 64}}}, {"method", "rtn"}}, "test");
        return resolvePlan(Recipe::uniform(*scheme), *m_model);
    }
    std::shared_ptr<const Calibration> calibrated(Backend& backend, const char* name) const {
        auto c = calibrate(*m_model, m_tokens, {}, scratchDir(name) / "c.h5", backend, {});
        if (!c) qFatal("%s", c.error().describe().c_str());
        return *c;
    }
private slots:
    void initTestCase() {
        m_model = *openModel(sampleModel());
        const auto text = readTextFile(sampleModel().parent_path() / "texts/evaluation.txt");
        QS_VERIFY_OK(text);
        m_tokens = *windowsFromText(*m_model->tokenizer(), *text, 256, 8);
    }

    // What the manual says of the loss (resources/manual/performance.md) is at most this.
    void lossMovesLittle() {
        const auto weights = modelWeights(*m_model);
        const auto exact = evaluate(m_model->spec(), *weights, nullptr, m_tokens, {}, *m_exact, {});
        const auto half = evaluate(m_model->spec(), *weights, nullptr, m_tokens, {}, *m_half, {});
        QS_VERIFY_OK(exact);
        QS_VERIFY_OK(half);
        qInfo("NLL %.5f in float32, %.5f in bfloat16", exact->nll, half->nll);
        QVERIFY(half->nll != exact->nll); // it was another computation
        QVERIFY(std::fabs(half->nll - exact->nll) < 0.003);
        // The two are not compared with each other.
        QVERIFY(!whyNotComparable(*exact, *half).empty());
        QCOMPARE(half->precision, Precision::BF16);
        const auto folder = scratchDir("precision-evaluations");
        const auto fileOf = [&](const Evaluation& e) {
            return evaluationFile(folder, e.weightsFingerprint, "", *e.text, 0, e.precision);
        };
        QVERIFY(fileOf(*exact) != fileOf(*half));
        QS_VERIFY_OK(saveEvaluation(fileOf(*half), *half));
        const auto back = loadEvaluation(fileOf(*half));
        QS_VERIFY_OK(back);
        QCOMPARE(back->precision, Precision::BF16);
        QCOMPARE(back->protocol, half->protocol);
    }

    // Factors are off by at most 2^-9, at random: an entry of Sigma by much less than that of its inputs'
    // sizes.
    void sigmaMovesLittle() {
        const auto exact = calibrated(*m_exact, "precision-f32"),
                   half = calibrated(*m_half, "precision-bf16");
        QCOMPARE(exact->info().precision, Precision::F32);
        QCOMPARE(half->info().precision, Precision::BF16); // read back from the file
        QVERIFY(exact->info().fingerprint != half->info().fingerprint);
        double worst = 0;
        for (const SiteRecord& site : exact->sites()) {
            const auto a = exact->sigma(site.site), b = half->sigma(site.site);
            QS_VERIFY_OK(a);
            QS_VERIFY_OK(b);
            for (size_t i = 0; i < site.channels; ++i)
                for (size_t j = 0; j < site.channels; ++j) {
                    const double size = std::sqrt((*a)(i, i) * (*a)(j, j));
                    QVERIFY((*b)(i, j) == (*b)(j, i));
                    if (size > 0) worst = std::max(worst, std::fabs((*b)(i, j) - (*a)(i, j)) / size);
                }
        }
        qInfo("largest difference of an entry, of its channels' norms: %.4f", worst);
        QVERIFY(worst > 0 && worst < 0.02);
    }

    void runsKeepTheirPrecision() {
        RunOptions options;
        options.directory = scratchDir("precision-run");
        const auto run = executePlan(*m_model, plan(), nullptr, options, *m_half, {});
        QS_VERIFY_OK(run);
        QCOMPARE((*run)->manifest().precision, Precision::BF16);
        const auto other = executePlan(*m_model, plan(), nullptr, options, *m_exact, {});
        QVERIFY(!other);
        QVERIFY(other.error().message.find("precision") != std::string::npos);
        options.directory = scratchDir("precision-run-exact");
        const auto exact = executePlan(*m_model, plan(), nullptr, options, *m_exact, {});
        QS_VERIFY_OK(exact);
        const auto a = runWeights(*run, m_model), b = runWeights(*exact, m_model);
        QS_VERIFY_OK(a);
        QS_VERIFY_OK(b);
        QVERIFY((*a)->fingerprint() != (*b)->fingerprint());
    }
};

QS_TEST(PrecisionTest)
#include "tst_precision.moc"

// SPDX-License-Identifier: Apache-2.0
// What may be compared, who is better, which tokens are worst, and evaluations on disk.
#include "core/evaluate/compare.h"
#include "core/evaluate/evaluation_store.h"
#include "core/hdf5/h5_file.h"
#include "tests/support/qs_test.h"

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace qs;
using namespace qs::test;

namespace {

/// Four windows of five tokens, four scored in each. `shift` moves every loss and KL.
Evaluation made(float shift, const std::string& weights = "w") {
    Evaluation e;
    auto text = std::make_shared<TokenWindows>(4, 5);
    for (size_t i = 0; i < text->size(); ++i)
        text->data()[i] = int32_t(i % 7);
    e.textFingerprint = sha256Hex(std::as_bytes(std::as_const(*text).span()));
    e.hasReference = true;
    for (int w = 0; w < 4; ++w)
        for (int t = 1; t < 5; ++t) {
            const float v = 0.1f * float((w * 3 + t) % 5);
            e.tokenAt.push_back(w * 5 + t);
            e.tokenNll.push_back(2 + v + shift);
            e.tokenTop.push_back(t % 3);
            e.tokenKl.push_back(0.5f * v + shift);
            e.referenceTokenNll.push_back(2);
            e.referenceTop.push_back(t % 2);
        }
    e.text = text;
    e.protocol = "made";
    e.weights = weights;
    e.weightsFingerprint = sha256Hex(weights);
    e.reference = "original";
    e.referenceFingerprint = sha256Hex(std::string("original"));
    e.summarize();
    return e;
}

Evaluation withText(Evaluation e, size_t windows, size_t length) {
    auto text = std::make_shared<TokenWindows>(windows, length);
    e.textFingerprint = sha256Hex(std::as_bytes(std::as_const(*text).span()));
    e.text = text;
    return e;
}

} // namespace

class CompareTest : public QObject {
    Q_OBJECT
private slots:
    void notComparable_data() {
        QTest::addColumn<QString>("why");
        for (const char* why : {"", "window length differs", "number of windows differs", "text differs",
                                "measure differs", "masked tokens differ", "original differs"})
            QTest::newRow(*why ? why : "comparable") << QString(why);
    }
    void notComparable() {
        QFETCH(QString, why);
        const Evaluation a = made(0.1f);
        Evaluation b = made(0);
        if (why.startsWith("window length")) b = withText(std::move(b), 4, 6);
        if (why.startsWith("number of windows")) b = withText(std::move(b), 8, 5);
        if (why.startsWith("text")) b = withText(std::move(b), 4, 5);
        if (why.startsWith("measure")) b.maskedTokens = true;
        if (why.startsWith("masked")) b.maskSeed = 3;
        if (why.startsWith("original")) b.referenceFingerprint = "another";
        QCOMPARE(QString::fromStdString(whyNotComparable(a, b)), why);
        QCOMPARE(QString::fromStdString(whyNotComparable(b, a)), why);
        const auto d = compareEvaluations(a, b, {}, {});
        QCOMPARE(d.has_value(), why.isEmpty());
        if (!d) QVERIFY(d.error().message.find(why.toStdString()) != std::string::npos);
    }
    void theSmallerIsBetter() {
        const Evaluation a = made(0.1f), b = made(0);
        const auto d = compareEvaluations(a, b, {}, {});
        QS_VERIFY_OK(d);
        QVERIFY(d->kl.has_value());
        QVERIFY(std::fabs(d->kl->mean - 0.1) <= 1e-6 && std::fabs(d->nll.mean - 0.1) <= 1e-6);
        QCOMPARE(d->kl->probabilityBelow, 0.0); // every token got worse by the same
        QCOMPARE(verdict(*d->kl, "B", "C"), std::string("C is better, more than 99.9 %"));
        const auto other = compareEvaluations(b, a, {}, {});
        QCOMPARE(verdict(other->deciding(), "C", "B"), std::string("C is better, more than 99.9 %"));
        // Against the original only losses can be compared.
        const auto original = compareEvaluations(a, evaluationOfReference(a), {}, {});
        QS_VERIFY_OK(original);
        QVERIFY(!original->kl);
        QVERIFY(std::fabs(original->nll.mean - (a.nll - a.referenceNll)) <= 1e-9);
    }
    void verdicts() {
        PairedDifference d;
        d.probabilityBelow = 0.998;
        QCOMPARE(verdict(d, "B", "C"), std::string("B is better, 99.8 %"));
        d.probabilityBelow = 0.03;
        QCOMPARE(verdict(d, "B", "C"), std::string("C is better, 97.0 %"));
        d.probabilityBelow = 0.71;
        QCOMPARE(verdict(d, "B", "C"), std::string("no difference shown, 71.0 %"));
    }
    void worst() {
        Evaluation e = made(0);
        std::fill(e.tokenKl.begin(), e.tokenKl.end(), 0.0f);
        e.tokenKl[5] = 2;
        e.tokenKl[2] = 1;
        e.tokenKl[11] = 2;
        QCOMPARE(worstTokens(e, 4), (std::vector<size_t>{5, 11, 2, 0}));
        QCOMPARE(worstTokens(e, 100).size(), e.tokenKl.size());
        e.hasReference = false; // then by loss
        e.tokenNll[7] = 9;
        QCOMPARE(worstTokens(e, 1), std::vector<size_t>{7});
    }
    void keptOnDisk() {
        const fs::path folder = scratchDir("evaluations");
        Evaluation e = made(0.25f, "run \xff<&>");
        e.source = "a text";
        const fs::path file = evaluationFile(folder, e.weightsFingerprint, e.referenceFingerprint, *e.text,
                                             e.maskSeed, e.precision);
        QS_VERIFY_OK(saveEvaluation(file, e));
        const auto back = loadEvaluation(file);
        QS_VERIFY_OK(back);
        QCOMPARE(back->tokenNll, e.tokenNll);
        QCOMPARE(back->tokenKl, e.tokenKl);
        QCOMPARE(back->tokenAt, e.tokenAt);
        QCOMPARE(back->tokenTop, e.tokenTop);
        QCOMPARE(back->referenceTop, e.referenceTop);
        QCOMPARE(back->textFingerprint, e.textFingerprint);
        QCOMPARE(back->source, e.source);
        QCOMPARE(back->nll, e.nll);
        QCOMPARE(back->kl, e.kl);
        QCOMPARE(back->kl99, e.kl99);
        QCOMPARE(back->top1, e.top1);
        QCOMPARE(whyNotComparable(*back, e), std::string());
        // Another protocol has another place; the newest of the same weights is found.
        const Evaluation longer = withText(e, 2, 10);
        QVERIFY(evaluationFile(folder, e.weightsFingerprint, e.referenceFingerprint, *longer.text, 0,
                               Precision::F32) != file);
        const auto newest = newestEvaluation(folder, e.weightsFingerprint, e.referenceFingerprint);
        QS_VERIFY_OK(newest);
        QCOMPARE(newest->kl, e.kl);
        QVERIFY(!newestEvaluation(folder, sha256Hex(std::string("others")), e.referenceFingerprint));
        QVERIFY(!newestEvaluation(folder, e.weightsFingerprint, ""));
        QVERIFY(!newestEvaluation(folder / "absent", e.weightsFingerprint, ""));
    }
    void damageIsNamed_data() {
        QTest::addColumn<int>("what");
        QTest::addColumn<QString>("named");
        const char* names[] = {"token_at", "token_kl", "token_nll", "token_top", "scored tokens"};
        for (int i = 0; i < 5; ++i)
            QTest::newRow(names[i]) << i << QString(names[i]);
    }
    void damageIsNamed() {
        QFETCH(int, what);
        QFETCH(QString, named);
        Evaluation e = made(0);
        if (what == 0) e.tokenAt[6] = 19;
        if (what == 1) e.tokenKl[3] = -0.5f;
        if (what == 2) e.tokenNll[0] = NAN;
        if (what == 3) e.tokenTop[9] = -1;
        if (what == 4) e.tokenAt.pop_back();
        const auto saved = saveEvaluation(scratchDir("damaged") / "e.h5", e);
        QVERIFY(!saved);
        QVERIFY2(saved.error().message.find(named.toStdString()) != std::string::npos,
                 saved.error().message.c_str());
    }
    void foreignFilesAreRefused() {
        const fs::path folder = scratchDir("foreign");
        QVERIFY(!loadEvaluation(folder / "absent.h5"));
        QS_VERIFY_OK(writeFileAtomically(folder / "text.h5", std::string("not HDF5")));
        QVERIFY(!loadEvaluation(folder / "text.h5"));
        auto writer = H5Writer::begin(folder / "other.h5");
        QS_VERIFY_OK(writer);
        QS_VERIFY_OK((*writer)->attribute("/", "schema", "quantoscope-calibration"));
        QS_VERIFY_OK((*writer)->commit());
        const auto other = loadEvaluation(folder / "other.h5");
        QVERIFY(!other && other.error().message.find("quantoscope-calibration") != std::string::npos);
        // Every truncation of a good file is an error, not a crash.
        const fs::path good = folder / "good.h5";
        QS_VERIFY_OK(saveEvaluation(good, made(0)));
        const auto bytes = MappedFile::open(good);
        QS_VERIFY_OK(bytes);
        const auto all = (*bytes)->bytes();
        for (size_t n = 0; n < all.size(); n += 1 + all.size() / 40) {
            QS_VERIFY_OK(writeFileAtomically(folder / "cut.h5", all.first(n)));
            QVERIFY(!loadEvaluation(folder / "cut.h5"));
        }
    }
};

QS_TEST(CompareTest)
#include "tst_compare.moc"

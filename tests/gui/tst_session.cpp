// SPDX-License-Identifier: GPL-3.0-or-later
// The session, with the real engine on the sample model.
#include "app/jobs/JobsModel.h"
#include "app/session/Session.h"
#include "tests/support/qs_test.h"
#include "widgets/models/TensorTableModel.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

using namespace qs;
using namespace qs::app;
using qs::ui::SchemeEdit;
using qs::ui::TargetState;

namespace {

QVector<int> allOf(const SchemeTable& table) {
    QVector<int> all;
    for (int i = 0; i < table.count(); ++i)
        all << i;
    return all;
}

bool waitEnded(JobHandle* job, int ms = 120000) {
    const QPointer<JobHandle> handle(job);
    return job && QTest::qWaitFor([&] { return !handle || handle->isEnded(); }, ms);
}

/// Ended, and its callbacks have run.
bool waitDelivered(JobHandle* job, int ms = 120000) {
    bool delivered = false;
    QObject context;
    if (!job) return false;
    job->then(&context, [&](const Outcome&) { delivered = true; });
    return QTest::qWaitFor([&] { return delivered; }, ms);
}

QString errorOf(JobHandle* job) {
    return job ? job->message() : QStringLiteral("no job");
}

} // namespace

class TstSession : public QObject {
    Q_OBJECT

    std::filesystem::path m_folder;

    SessionOptions options() const {
        SessionOptions o;
        o.cacheDirectory = QString::fromStdString((m_folder / "cache").string());
        o.backend = [] { return makeBackend("cpu", 2); };
        return o;
    }
    static QString samplePath() { return QString::fromStdString(test::sampleModel().string()); }
    static CalibrateRequest shortCalibration() {
        CalibrateRequest r;
        r.text.windowLength = 64;
        r.text.windows = 8;
        return r;
    }

private slots:
    void initTestCase() { m_folder = test::scratchDir("session"); }

    void openFailuresAreReported() {
        Session session(options());
        QSignalSpy failed(&session, &Session::failed), changed(&session, &Session::modelChanged);
        auto* job = session.openModel(QString::fromStdString((m_folder / "nothing here").string()));
        QVERIFY(waitDelivered(job));
        QCOMPARE(job->state(), JobState::Failed);
        QCOMPARE(failed.size(), 1);
        QVERIFY(failed.at(0).at(1).toString().contains("nothing here"));
        QCOMPARE(changed.size(), 0);
        QVERIFY(!session.model());
        QVERIFY(!session.runBlocker().isEmpty() && !session.exportBlocker().isEmpty() &&
                !session.calibrateBlocker().isEmpty() && !session.evaluateBlocker().isEmpty());
        QVERIFY(!session.startRun() && !session.calibrate({}) && !session.evaluate({}));
    }

    void openScansTheWeights() {
        Session session(options());
        ui::TensorTableModel view;
        QAbstractItemModelTester tester(&view, QAbstractItemModelTester::FailureReportingMode::QtTest);
        view.setSource(session.table());
        QSignalSpy stats(&session, &Session::statsReady);
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        QCOMPARE(view.rowCount(), session.table()->count());
        QCOMPARE(session.fingerprint().size() >= 16, true);
        QTRY_COMPARE_WITH_TIMEOUT(session.scannedCount(), session.table()->count(), 60000);
        QCOMPARE(stats.size(), 0); // percentiles and histograms are for what is looked at
        // Against the values themselves.
        const QuantTarget& target = session.model()->targets()[3];
        const auto values = session.model()->readTarget(target);
        QS_VERIFY_OK(values);
        float absmax = 0;
        for (const float v : values->span())
            absmax = std::max(absmax, std::abs(v));
        QCOMPARE(float(session.table()->row(3).absmax), absmax);
        QVERIFY(session.table()->row(3).outlierRatioWeights >= 1);
        const ui::TargetRow scanned = session.table()->row(3);
        QVERIFY(!session.stats(3));
        session.requestStats(3);
        QTRY_VERIFY_WITH_TIMEOUT(session.stats(3), 60000);
        QCOMPARE(session.stats(3)->input.channels(), target.cols);
        // Both say the same of the tensor.
        const ui::TargetRow& now = session.table()->row(3);
        QCOMPARE(scanned.absmax, now.absmax);
        QCOMPARE(scanned.outlierRatioWeights, now.outlierRatioWeights);
        QVERIFY(std::fabs(scanned.stddev / now.stddev - 1) < 1e-5);
        QVERIFY(std::fabs(scanned.kurtosis / now.kurtosis - 1) < 1e-4);
        session.closeModel();
        QCOMPARE(view.rowCount(), 0);
        QVERIFY(!session.stats(3));
    }

    void openingAnotherModelDropsLateResults() {
        Session session(options());
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        auto* late = session.calibrate(shortCalibration());
        QVERIFY(late);
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        QVERIFY(waitEnded(late));
        QTest::qWait(50);
        QVERIFY(!session.calibration());
    }

    void comparisonPreviewsTheScheme() {
        Session session(options());
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        QSignalSpy ready(&session, &Session::comparisonReady);
        for (int t = 0; t < 5; ++t)
            session.requestComparison(t); // only the last one counts
        QTRY_COMPARE_WITH_TIMEOUT(ready.size(), 1, 30000);
        const auto first = session.comparison(); // held: the next one replaces it
        QVERIFY(first);
        const WeightComparison& c = *first;
        QCOMPARE(c.target, 4);
        QVERIFY(c.preview);
        const QuantTarget& t = session.model()->targets()[4];
        const auto sum = [](const Histogram& h) {
            uint64_t n = h.below + h.above;
            for (const uint64_t x : h.counts)
                n += x;
            return n;
        };
        QCOMPARE(sum(c.report.original), uint64_t(t.rows * t.cols));
        QCOMPARE(sum(c.report.quantized), uint64_t(t.rows * t.cols));
        QVERIFY(c.report.error.weight > 1e-4 && c.report.error.weight < 0.1); // 4 bits
        QCOMPARE(c.report.columnRms.size(), t.cols);
        session.table()->edit({4}, SchemeEdit::codecParam("bits", 8LL));
        session.requestComparison(4);
        QTRY_COMPARE_WITH_TIMEOUT(ready.size(), 2, 30000);
        // 16 times finer: 256 in the square
        QVERIFY(session.comparison()->report.error.weight < c.report.error.weight / 50);
    }

    void mainPath() {
        Session session(options());
        JobsModel jobs;
        QAbstractItemModelTester tester(&jobs, QAbstractItemModelTester::FailureReportingMode::QtTest);
        jobs.addLane(session.engine());
        jobs.addLane(session.pool());
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        QVERIFY(session.runBlocker().contains("Calibrate"));

        auto* calibrate = session.calibrate(shortCalibration());
        QVERIFY(waitDelivered(calibrate));
        QVERIFY2(session.calibration(), qPrintable(errorOf(calibrate)));
        QVERIFY(session.table()->row(0).outlierRatioActivations >= 1);
        QVERIFY(session.activations(0));
        QCOMPARE(session.runBlocker(), QString());

        // Cancel after the first block, then go on where it stopped.
        QSignalSpy units(&session, &Session::unitFinished);
        auto* run = session.startRun();
        QVERIFY(session.running());
        QVERIFY(units.wait(60000) || run->isEnded());
        QCOMPARE(session.table()->row(0).state, TargetState::Done); // while the others are still queued
        QElapsedTimer clock;
        clock.start();
        run->cancel();
        QVERIFY(clock.elapsed() < 250);
        QVERIFY(waitDelivered(run));
        QVERIFY(clock.elapsed() < 2000);
        QTRY_VERIFY_WITH_TIMEOUT(session.run(), 10000);
        const int doneBefore = session.run()->unitsDone();
        QVERIFY(doneBefore >= 1);

        auto* again = session.startRun();
        QVERIFY(waitDelivered(again));
        QVERIFY2(session.run() && session.run()->complete(), qPrintable(errorOf(again)));
        const auto folder = session.run()->directory();
        for (int t = 0; t < session.table()->count(); ++t) {
            const ui::TargetRow& row = session.table()->row(t);
            QCOMPARE(row.state, TargetState::Done);
            QCOMPARE(row.done, row.info->format);
            QVERIFY(row.weightError > 0 && row.outputError > 0 && !row.stale && !row.edited);
        }

        EvaluateRequest evaluation;
        evaluation.text.windowLength = 64;
        evaluation.text.windows = 8;
        auto* evaluate = session.evaluate(evaluation);
        QVERIFY(waitDelivered(evaluate));
        QVERIFY2(session.evaluation() && session.evaluation()->after, qPrintable(errorOf(evaluate)));
        QVERIFY(session.evaluation()->before->perplexity > 1);
        QVERIFY(session.evaluation()->after->kl > 0);
        QCOMPARE(session.evaluation()->after->referenceNll, session.evaluation()->before->nll);
        QVERIFY(!session.evaluationIsStale());

        ExportOptions target;
        target.exporter = "dequantized";
        target.directory = QString::fromStdString((m_folder / "export").string());
        target.params = Params::defaults((*findExporter("dequantized"))->params);
        auto* exporting = session.exportRun(target);
        QVERIFY(waitDelivered(exporting));
        QVERIFY2(session.receipt() && session.receipt()->verified, qPrintable(errorOf(exporting)));

        session.table()->edit({0}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(session.evaluationIsStale());
        QVERIFY(session.table()->row(0).stale);

        // The run's folder alone is enough to come back: model, schemes, numbers.
        Session other(options());
        QVERIFY(waitDelivered(other.openModel(QString::fromStdString(folder.string()))));
        QVERIFY(other.run() && other.run()->complete());
        QCOMPARE(other.table()->row(0).info->bits, 4);
        QCOMPARE(other.table()->row(0).state, TargetState::Done);
        QVERIFY(!other.table()->row(0).stale);
        QSignalSpy ready(&other, &Session::comparisonReady);
        other.requestComparison(0);
        QTRY_COMPARE_WITH_TIMEOUT(ready.size(), 1, 30000);
        QVERIFY2(other.comparison(), qPrintable(other.comparisonNote()));
        QVERIFY(!other.comparison()->preview);
        QVERIFY(qAbs(other.comparison()->report.error.weight - other.table()->row(0).weightError) <=
                1e-6 * other.table()->row(0).weightError);
    }

    void recipesAreFiles() {
        Session session(options());
        QVERIFY(!session.loadRecipe("/nowhere.json").isEmpty()); // no model
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        session.table()->edit({0, 1, 2}, SchemeEdit::codecParam("bits", 3LL));
        const QString file = QString::fromStdString((m_folder / "three.json").string());
        QVERIFY(session.table()->recipe("three").save(file.toStdString()));
        session.table()->edit(allOf(*session.table()), SchemeEdit::keep());
        QVERIFY(!session.runBlocker().isEmpty()); // nothing to do
        const int steps = session.undoStack()->count();
        QCOMPARE(session.loadRecipe(file), QString());
        QCOMPARE(session.undoStack()->count(), steps + 1);
        QCOMPARE(session.table()->row(2).info->bits, 3);
        QCOMPARE(session.table()->row(3).info->bits, 4);
        QVERIFY(session.loadRecipe("/nowhere.json").contains("nowhere"));
    }
};

QS_TEST(TstSession)
#include "tst_session.moc"

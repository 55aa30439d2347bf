// SPDX-License-Identifier: GPL-3.0-or-later
// The document and the session, with the real engine on the sample model.
#include "app/jobs/JobsModel.h"
#include "app/session/ScanQueue.h"
#include "app/session/Session.h"
#include "tests/support/qs_test.h"
#include "widgets/models/TensorTableModel.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <nlohmann/json.hpp>

using namespace qs;
using namespace qs::app;
using qs::ui::SchemeEdit;
using qs::ui::TargetState;

namespace {

std::shared_ptr<const Model> sample() {
    static const auto model = qs::openModel(test::sampleModel());
    return model ? *model : nullptr;
}

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
    void initTestCase() {
        m_folder = test::scratchDir("session");
        QVERIFY2(sample(), "the sample model does not open");
    }

    // --- The document ---

    void everyLinearStartsWithASchemeThatFits() {
        SchemeTable table;
        table.setModel(sample());
        QCOMPARE(size_t(table.count()), sample()->spec().blocks.size() * 7);
        QVERIFY(!table.plan().hasErrors());
        QVERIFY(table.plan().needsCalibration());
        for (int t = 0; t < table.count(); ++t) {
            QVERIFY(table.row(t).scheme);
            QCOMPARE(table.row(t).state, TargetState::Planned);
            QVERIFY(!table.row(t).edited);
            QCOMPARE(table.row(t).bytesAfter, table.plan().entries[size_t(t)].bytesAfter);
        }
        QVERIFY(!table.undoStack()->canUndo());
    }

    void bitsOfManyRowsAreOneUndoStep() {
        SchemeTable table;
        table.setModel(sample());
        QSignalSpy changed(&table, &ui::TargetTableSource::rowsChanged);
        QCOMPARE(table.edit({0, 3, 6}, SchemeEdit::codecParam("bits", 8LL)), QString());
        QCOMPARE(table.undoStack()->count(), 1);
        QVERIFY(table.undoStack()->undoText().startsWith("Set 3 tensor"));
        QVERIFY(table.undoStack()->undoText().endsWith("to 8 bits"));
        QCOMPARE(changed.size(), 1);
        const ui::TargetRow row = table.row(3);
        QCOMPARE(row.bits, 8);
        QVERIFY(row.edited && !table.row(1).edited);
        // One byte per code, a 2-byte scale and a 1-byte zero point per group.
        const quint64 groups = row.rows * row.cols / quint64(row.group);
        QCOMPARE(row.bytesAfter, row.rows * row.cols + 3 * groups);
        table.undoStack()->undo();
        QCOMPARE(table.row(3).bits, 4);
        QVERIFY(!table.row(3).edited);
        table.undoStack()->redo();
        QCOMPARE(table.row(3).bits, 8);
        // Nothing changes, nothing to undo.
        table.edit({0}, SchemeEdit::codecParam("bits", 8LL));
        QCOMPARE(table.undoStack()->count(), 1);
    }

    void oneRowIsNamed() {
        SchemeTable table;
        table.setModel(sample());
        table.edit({table.indexOf("layers.1.self_attn.q_proj")}, SchemeEdit::codecParam("bits", 3LL));
        QCOMPARE(table.undoStack()->undoText(), QString("Set q_proj, block 1 to 3 bits"));
    }

    void aDragIsOneStep() {
        SchemeTable table;
        table.setModel(sample());
        table.edit({0}, SchemeEdit::codecParam("bits", 5LL)); // the two rows differ when the drag begins
        for (const long long bits : {5, 6, 7})
            table.edit({0, 1}, SchemeEdit::codecParam("bits", bits), 11);
        QCOMPARE(table.undoStack()->count(), 2);
        QCOMPARE(table.row(1).bits, 7);
        table.edit({0, 1}, SchemeEdit::codecParam("bits", 2LL), 12); // another drag
        QCOMPARE(table.undoStack()->count(), 3);
        table.undoStack()->undo();
        table.undoStack()->undo();
        QCOMPARE(table.row(0).bits, 5);
        QCOMPARE(table.row(1).bits, 4);
        // A drag that ends where it began leaves nothing.
        table.edit({2}, SchemeEdit::codecParam("bits", 8LL), 13);
        table.edit({2}, SchemeEdit::codecParam("bits", 4LL), 13);
        QCOMPARE(table.undoStack()->undoText(), QString("Set q_proj, block 0 to 5 bits"));
    }

    void refusedEditsChangeNothing() {
        SchemeTable table;
        table.setModel(sample());
        QVERIFY(table.edit({0}, SchemeEdit::codecParam("bits", 99LL)).contains("bits"));
        QVERIFY(!table.edit({0}, SchemeEdit::method("nonsense")).isEmpty());
        QVERIFY(!table.undoStack()->canUndo());
    }

    void problemsAreShownWhereTheyAre() {
        SchemeTable table;
        table.setModel(sample());
        const int t = table.indexOf("layers.0.mlp.down_proj");
        table.edit({t}, SchemeEdit::codecParam("group", 100LL));
        QVERIFY(table.plan().hasErrors());
        QCOMPARE(table.row(t).state, TargetState::Failed);
        QVERIFY(table.row(t).message.contains("100"));
        // q in another format than k and v: the whole fused group is warned.
        const int q = table.indexOf("layers.0.self_attn.q_proj"),
                  k = table.indexOf("layers.0.self_attn.k_proj");
        table.edit({q}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(!table.row(k).message.isEmpty());
        QCOMPARE(table.row(k).state, TargetState::Planned);
        table.undoStack()->undo();
        QVERIFY(table.row(k).message.isEmpty());
    }

    void keptAndBack() {
        SchemeTable table;
        table.setModel(sample());
        table.edit({4}, table.editFor(ui::EditField::Bits, 0));
        QCOMPARE(table.row(4).state, TargetState::Kept);
        QCOMPARE(table.row(4).bytesAfter, table.row(4).bytesBefore);
        QCOMPARE(table.row(4).format, table.row(4).sourceType);
        QVERIFY(!table.editable(4, ui::EditField::Group));
        table.edit({4}, table.editFor(ui::EditField::Bits, 6));
        QCOMPARE(table.row(4).bits, 6);
        QVERIFY(table.choices(4, ui::EditField::Bits).size() == 8); // 2..8 and keep
        for (const ui::EditChoice& c : table.choices(4, ui::EditField::Group))
            if (c.value.toInt() > 0) QCOMPARE(table.row(4).cols % quint64(c.value.toInt()), quint64(0));
    }

    void recipeSaysExactlyTheTable() {
        SchemeTable table;
        table.setModel(sample());
        QCOMPARE(table.recipe().rules.size(), size_t(1));
        QCOMPARE(table.recipe().rules[0].match, std::string("*"));
        const auto role = [&](const char* name) {
            QVector<int> rows;
            for (int t = 0; t < table.count(); ++t)
                if (table.row(t).name == QLatin1String(name)) rows << t;
            return rows;
        };
        table.edit(role("down_proj"), SchemeEdit::codecParam("bits", 8LL));
        table.edit({table.indexOf("layers.2.mlp.down_proj")}, SchemeEdit::keep());
        const Recipe recipe = table.recipe("mix");
        QCOMPARE(recipe.rules.size(), size_t(3));
        QCOMPARE(recipe.rules[0].match, std::string("layers.2.mlp.down_proj"));
        QVERIFY(!recipe.rules[0].scheme);
        QCOMPARE(recipe.rules[1].match, std::string("layers.*.mlp.down_proj"));
        const auto schemes = table.schemes();
        // Random tables come back exactly, through JSON.
        quint32 state = 7;
        for (int round = 0; round < 20; ++round) {
            for (int i = 0; i < 1 + round; ++i) {
                state = state * 1664525u + 1013904223u;
                const int t = int((state >> 8) % quint32(table.count()));
                table.edit({t}, (state >> 4) % 4
                                    ? SchemeEdit::codecParam("bits", (long long)(2 + (state >> 16) % 7))
                                    : SchemeEdit::keep());
            }
            const auto wanted = table.schemes();
            const auto parsed = Recipe::fromJson(table.recipe().toJson(), "test");
            QS_VERIFY_OK(parsed);
            table.edit(allOf(table), SchemeEdit::keep());
            const int before = table.undoStack()->count();
            table.applyRecipe(*parsed, "Load");
            QCOMPARE(table.undoStack()->count(), before + 1);
            QVERIFY(table.schemes() == wanted); // shared, so pointers compare as values
            for (const LintIssue& i : table.plan().issues)
                QVERIFY(i.rule != "rule-matches-nothing");
            QVERIFY(!table.row(0).edited); // "edited" is measured from the recipe
        }
        table.applyRecipe(recipe, "Load mix");
        QVERIFY(table.schemes() == schemes);
        table.undoStack()->undo();
        QVERIFY(table.schemes() != schemes);
    }

    void rulesThatMatchNothingAreTold() {
        SchemeTable table;
        table.setModel(sample());
        Recipe recipe = table.recipe();
        recipe.rules.insert(recipe.rules.begin(), {"mlp.*dwon", std::nullopt});
        table.applyRecipe(recipe, "Load");
        const auto told = [&] {
            for (const LintIssue& i : table.plan().issues)
                if (i.rule == "rule-matches-nothing" && i.message.find("mlp.*dwon") != std::string::npos)
                    return true;
            return false;
        };
        QVERIFY(told());
        table.edit({0}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(!told());
    }

    void resultsGoStaleWithTheirScheme() {
        SchemeTable table;
        table.setModel(sample());
        table.beginRun(table.schemes(), true);
        QCOMPARE(table.row(0).state, TargetState::Queued);
        TensorResult r;
        r.module = table.row(0).module.toStdString();
        r.planned = r.done = "int4 g128 asym";
        r.error.weight = 0.01;
        table.setResults({r});
        QCOMPARE(table.row(0).state, TargetState::Done);
        QCOMPARE(table.row(0).weightError, 0.01);
        QVERIFY(std::isnan(table.row(0).outputError)); // -1 means: not measured
        r.done = "int4 g32 asym";
        table.setResults({r});
        QVERIFY(table.row(0).different);
        table.endRun();
        QCOMPARE(table.row(1).state, TargetState::Planned);
        QVERIFY(!table.runIsStale());
        table.edit({0, 1}, SchemeEdit::codecParam("bits", 8LL));
        QVERIFY(table.row(0).stale && !table.row(1).stale); // row 1 has no result
        QVERIFY(table.runIsStale());
        table.undoStack()->undo();
        QVERIFY(!table.row(0).stale);
        table.clearRun();
        QVERIFY(std::isnan(table.row(0).weightError));
        QCOMPARE(table.row(0).state, TargetState::Planned);
    }

    void statsCacheForgetsTheOldest() {
        const auto stats = [](size_t channels) {
            auto s = std::make_shared<TensorStats>();
            s->input.absmax.assign(channels, 1.0f);
            return std::shared_ptr<const TensorStats>(s);
        };
        const size_t one = StatsCache::bytesOf(*stats(1000));
        StatsCache cache(3 * one);
        for (int t = 0; t < 3; ++t)
            cache.insert(t, stats(1000));
        QVERIFY(cache.find(0)); // used: 1 is the oldest now
        cache.insert(3, stats(1000));
        QVERIFY(cache.find(0) && !cache.find(1) && cache.find(2) && cache.find(3));
        QVERIFY(cache.bytes() <= 3 * one);
        cache.insert(2, stats(1000)); // replaces
        QCOMPARE(cache.size(), size_t(3));
        cache.insert(9, stats(100000)); // larger than everything: it alone stays
        QCOMPARE(cache.size(), size_t(1));
        QVERIFY(cache.find(9));
    }

    void scanQueueServesWhatIsSeenFirst() {
        ScanQueue queue(6);
        queue.skip(1);
        QCOMPARE(*queue.next(), 0);
        queue.want({4, 1, 99, 4});
        QCOMPARE(*queue.next(), 4);
        QCOMPARE(*queue.next(), 2);
        queue.want({5});
        QCOMPARE(*queue.next(), 5);
        QCOMPARE(*queue.next(), 3);
        QVERIFY(!queue.next());
    }

    // --- The session ---

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
        QCOMPARE(stats.size(), session.table()->count());
        // Against the values themselves.
        const QuantTarget& target = session.model()->targets()[3];
        const auto values = session.model()->readTarget(target);
        QS_VERIFY_OK(values);
        float absmax = 0;
        for (const float v : values->span())
            absmax = std::max(absmax, std::abs(v));
        QCOMPARE(float(session.table()->row(3).absmax), absmax);
        QVERIFY(session.stats(3));
        QCOMPARE(session.stats(3)->input.channels(), target.cols);
        QVERIFY(session.table()->row(3).outlierRatioWeights >= 1);
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
        QVERIFY(session.comparison());
        const WeightComparison& c = *session.comparison();
        QCOMPARE(c.target, 4);
        QVERIFY(c.preview);
        const QuantTarget& t = session.model()->targets()[4];
        const auto sum = [](const Histogram& h) {
            uint64_t n = h.below + h.above;
            for (const uint64_t x : h.counts)
                n += x;
            return n;
        };
        QCOMPARE(sum(c.original), uint64_t(t.rows * t.cols));
        QCOMPARE(sum(c.quantized), uint64_t(t.rows * t.cols));
        QVERIFY(c.weightError > 1e-4 && c.weightError < 0.1); // 4 bits
        QCOMPARE(c.columnRms.size(), t.cols);
        session.table()->edit({4}, SchemeEdit::codecParam("bits", 8LL));
        session.requestComparison(4);
        QTRY_COMPARE_WITH_TIMEOUT(ready.size(), 2, 30000);
        QVERIFY(session.comparison()->weightError < c.weightError / 50); // 16 times finer: 256 in the square
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
            QCOMPARE(row.done, row.format);
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
        QCOMPARE(other.table()->row(0).bits, 4);
        QCOMPARE(other.table()->row(0).state, TargetState::Done);
        QVERIFY(!other.table()->row(0).stale);
        QSignalSpy ready(&other, &Session::comparisonReady);
        other.requestComparison(0);
        QTRY_COMPARE_WITH_TIMEOUT(ready.size(), 1, 30000);
        QVERIFY2(other.comparison(), qPrintable(other.comparisonNote()));
        QVERIFY(!other.comparison()->preview);
        QVERIFY(qAbs(other.comparison()->weightError - other.table()->row(0).weightError) <=
                1e-6 * other.table()->row(0).weightError);
    }

    void recipesAreFiles() {
        Session session(options());
        QVERIFY(!session.loadRecipe("/nowhere.json").isEmpty()); // no model
        QVERIFY(waitDelivered(session.openModel(samplePath())));
        session.table()->edit({0, 1, 2}, SchemeEdit::codecParam("bits", 3LL));
        const QString file = QString::fromStdString((m_folder / "three.json").string());
        QCOMPARE(session.saveRecipe(file), QString());
        QVERIFY(session.undoStack()->isClean());
        session.table()->edit(allOf(*session.table()), SchemeEdit::keep());
        QVERIFY(!session.runBlocker().isEmpty()); // nothing to do
        const int steps = session.undoStack()->count();
        QCOMPARE(session.loadRecipe(file), QString());
        QCOMPARE(session.undoStack()->count(), steps + 1);
        QCOMPARE(session.table()->row(2).bits, 3);
        QCOMPARE(session.table()->row(3).bits, 4);
        QVERIFY(session.loadRecipe("/nowhere.json").contains("nowhere"));
        QVERIFY(!session.saveRecipe("/nowhere/x/y.json").isEmpty());
    }
};

QS_TEST(TstSession)
#include "tst_session.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// Closing the window at any moment: once, soon, without blocking, and leaving whole files.
#include "app/pages/ExportPage.h"
#include "tests/gui/WindowFixture.h"

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;
constexpr int kPauseMs = 150;
/// Cancelling stops a job in 2 s; the rest is for busy machines and sanitizers.
constexpr int kCloseMs = 20000;
constexpr double kStallLimitMs = 250; ///< 50 are the aim; the rest is for busy machines and sanitizers

/// How often a window went away.
class HideCount : public QObject {
public:
    explicit HideCount(QWidget* window) { window->installEventFilter(this); }
    int count = 0;
    bool eventFilter(QObject*, QEvent* event) override {
        count += event->type() == QEvent::Hide;
        return false;
    }
};

int active(const WindowFixture& w) {
    return w.session()->engine()->activeCount() + w.session()->pool()->activeCount();
}

} // namespace

class WindowClosing : public QObject {
    Q_OBJECT
private slots:
    /// A calibration and a finished run to come back to.
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-closing");
        WindowFixture w(*m_home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        w.trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->run() && w.session()->run()->complete(), kLong);
        m_run = QString::fromStdString(w.session()->run()->directory().string());
        QTRY_COMPARE_WITH_TIMEOUT(active(w), 0, kLong);
        HideCount hidden(w.window.get());
        QVERIFY(w->close()); // nothing runs: at once
        QVERIFY(!w->isVisible());
        QCOMPARE(hidden.count, 1);
    }
    void cleanupTestCase() { m_home.reset(); }

    void duringAJob_data() {
        QTest::addColumn<QString>("job");
        for (const char* job : {"open", "scan", "calibrate", "run", "evaluate", "export"})
            QTest::addRow("%s", job) << job;
    }
    void duringAJob() {
        QFETCH(QString, job);
        WindowFixture w(*m_home, kPauseMs);
        begin(w, job);
        if (QTest::currentTestFailed()) return;
        QVERIFY(active(w) > 0);

        HideCount hidden(w.window.get());
        StallWatch watch;
        QVERIFY(!w->close()); // answered at once, done when the jobs have ended
        QVERIFY(w->isVisible());
        QVERIFY2(w->messageBar()->text().contains(u"Stopping"), qPrintable(w->messageBar()->text()));
        QVERIFY(!w->close()); // the impatient user
        w->openPath(m_run);   // comes too late
        QTRY_VERIFY_WITH_TIMEOUT(!w->isVisible(), kCloseMs);
        QTest::qWait(150); // whatever the end of the jobs had queued
        QCOMPARE(active(w), 0);
        QCOMPARE(hidden.count, 1);
        QVERIFY2(watch.worst() < kStallLimitMs, watch.report().constData());
    }

    /// After the close in the middle of a run: the same command continues.
    void aStoppedRunContinues() {
        WindowFixture w(*m_home);
        prepareRun(w);
        if (QTest::currentTestFailed()) return;
        w.trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->run() && w.session()->run()->complete(), kLong);
        QVERIFY(QString::fromStdString(w.session()->run()->directory().string()) != m_run);
    }

    /// Quitting does not drop a file that the user asked for.
    void aRecipeIsSaved() {
        WindowFixture w(*m_home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        const QString file = m_home->folder + QStringLiteral("/last.json");
        w.dialogs->answers = {file};
        w.trigger("saveRecipe");
        QCoreApplication::sendPostedEvents(); // the dialog answers
        w->close();
        QTRY_VERIFY_WITH_TIMEOUT(!w->isVisible(), kCloseMs);
        QVERIFY(QFile::exists(file));
    }

    /// Without being asked first, as at the end of the session.
    void destroyedDuringARun() {
        auto w = std::make_unique<WindowFixture>(*m_home, kPauseMs);
        prepareRun(*w);
        if (QTest::currentTestFailed()) return;
        (*w)->setBits(2);
        w->trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(w->session()->unitsDone() > 0, kLong);
        QElapsedTimer clock;
        clock.start();
        w.reset();
        QVERIFY2(clock.elapsed() < kCloseMs, qPrintable(QString::number(clock.elapsed())));
    }

private:
    /// Opens the sample with its calibration and a recipe that was not run yet.
    void prepareRun(const WindowFixture& w) {
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        w.trigger("selectAll");
        w->setBits(3);
        QVERIFY2(w.session()->runBlocker().isEmpty(), qPrintable(w.session()->runBlocker()));
    }

    void begin(const WindowFixture& w, const QString& job) {
        if (job == QLatin1String("open")) {
            w->openSample();
            return;
        }
        if (job == QLatin1String("run")) {
            prepareRun(w);
            w.trigger("run");
            QTRY_VERIFY_WITH_TIMEOUT(w.session()->unitsDone() > 0, kLong);
            return;
        }
        w->openPath(m_run);
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->run(), kLong);
        if (job == QLatin1String("scan")) {
            w.session()->scanWeights(); // the one of opening may be over
        } else if (job == QLatin1String("export")) {
            w->exportPage()->selectExporter(QStringLiteral("dequantized"));
            w->exportPage()->setDirectory(m_home->folder + QStringLiteral("/out"));
            w->exportPage()->startExport();
        } else {
            w.trigger(qPrintable(job));
            QVERIFY(w.startDialog(qPrintable(job + QStringLiteral("Dialog")), 128, 16));
        }
    }

    std::unique_ptr<WindowHome> m_home;
    QString m_run; ///< folder of a finished run
};

QS_TEST(WindowClosing)
#include "tst_window_closing.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// The window's session file: everything is back after opening it, missing parts are named, and what a dead
// process left is offered again.
#include "app/WindowSession.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "tests/gui/WindowFixture.h"

#include <QPushButton>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;

QVector<int> bitsOf(const app::SchemeTable& table) {
    QVector<int> out;
    for (int t = 0; t < table.count(); ++t)
        out << (table.row(t).hasScheme() ? table.row(t).info->bits : 0);
    return out;
}

} // namespace

class WindowSessions : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-session");
        m_file = m_home->folder + QStringLiteral("/work.quantoscope");
        WindowFixture w(*m_home);
        make(w);
        if (QTest::currentTestFailed()) return;
        w.dialogs->answers = {m_file};
        w.trigger("saveSession");
        QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(m_file), kLong);
        QTRY_COMPARE(w->sessionFiles()->file(), m_file);
        QVERIFY(w->windowTitle().startsWith(u"work.quantoscope"));
        // Again, without a question.
        w->setBits(8);
        const QDateTime before = QFileInfo(m_file).lastModified();
        w.trigger("undo");
        QTest::qWait(20);
        w.trigger("saveSession");
        QTRY_VERIFY_WITH_TIMEOUT(QFileInfo(m_file).lastModified() > before, kLong);
        QCOMPARE(w.dialogs->asked.size(), size_t(1));
        m_bits = bitsOf(*w.table());
        m_fingerprint = w.table()->plan().fingerprint();
        QTRY_COMPARE_WITH_TIMEOUT(w.session()->pool()->activeCount(), 0, kLong);
        w->close();
    }
    void cleanupTestCase() { m_home.reset(); }

    void everythingIsBack() {
        WindowFixture w(*m_home);
        w->openPath(m_file);
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), m_file, kLong);
        checkRestored(w);
        QVERIFY(!w.session()->undoStack()->canUndo());
        QVERIFY2(w->messageBar()->text().isEmpty() || !w->messageBar()->isVisible(),
                 qPrintable(w->messageBar()->text()));
        QCOMPARE(w->settings()->recentFiles().front().path, m_file);
        w->close();
        QVERIFY(autosaves().isEmpty()); // closed in good order
    }

    void missingPartsAreNamed() {
        // The run is gone, the calibration is no calibration.
        const QString copy = m_home->folder + QStringLiteral("/damaged.quantoscope");
        QVERIFY(QFile::copy(m_file, copy));
        nlohmann::json json = read(copy);
        json["run"]["path"] = json["run"]["absolute"] = "/nowhere/run-17";
        json["calibration"]["path"] = json["calibration"]["absolute"] = "/nowhere/lost.h5";
        write(copy, json);
        WindowFixture w(*m_home);
        w->openPath(copy);
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), copy, kLong);
        const QString told = w->messageBar()->text();
        QVERIFY2(told.contains(u"run-17") && told.contains(u"lost.h5"), qPrintable(told));
        QCOMPARE(bitsOf(*w.table()), m_bits); // the rest opened
        QVERIFY(!w.session()->run());

        json["model"]["path"] = json["model"]["absolute"] = "/nowhere/model";
        write(copy, json);
        const auto model = w.session()->model();
        w->openPath(copy);
        QTRY_VERIFY(w->messageBar()->text().contains(u"/nowhere/model"));
        QCOMPARE(w.session()->model(), model); // what is open stays
    }

    void anotherModelsWeightsAreNamed() {
        const QString copy = m_home->folder + QStringLiteral("/changed.quantoscope");
        QVERIFY(QFile::copy(m_file, copy));
        nlohmann::json json = read(copy);
        json["model"]["fingerprint"] = "0123456789abcdef";
        write(copy, json);
        WindowFixture w(*m_home);
        w->openPath(copy);
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), copy, kLong);
        QVERIFY2(w->messageBar()->text().contains(u"0123456789ab"), qPrintable(w->messageBar()->text()));
    }

    /// A process that died leaves its autosave without a lock; the next window offers it, and the user's own
    /// file is as it was.
    void crashIsRecovered() {
        const QByteArray saved = bytesOf(m_file);
        QString left;
        {
            WindowFixture w(*m_home);
            w->openPath(m_file);
            QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), m_file, kLong);
            w.session()->selection()->set({0, 1, 2});
            w->setBits(7);
            m_bits = bitsOf(*w.table());
            QTRY_VERIFY_WITH_TIMEOUT(!autosaveWith(7).isEmpty(), kLong);
            left = autosaveWith(7);
            QCOMPARE(bytesOf(m_file), saved); // not touched unasked
            QVERIFY(QFile::copy(left, left + QStringLiteral(".kept")));
            w->close();
        }
        // What kill -9 leaves: the file, and a lock of a process that is no more.
        QVERIFY(QFile::rename(left + QStringLiteral(".kept"), left));
        WindowFixture w(*m_home);
        QCOMPARE(w->sessionFiles()->recoverable(), left);
        QVERIFY2(w->messageBar()->text().contains(u"can be restored"), qPrintable(w->messageBar()->text()));
        auto* restore = w->messageBar()->findChild<QPushButton*>();
        QVERIFY(restore && restore->isVisible());
        restore->click();
        QTRY_COMPARE_WITH_TIMEOUT(w->sessionFiles()->file(), m_file, kLong);
        QCOMPARE(bitsOf(*w.table()), m_bits);
        QVERIFY(!QFile::exists(left));
        QCOMPARE(bytesOf(m_file), saved);
        w->close();
    }

private:
    /// Calibrated, run, edited, looked at in a particular way.
    void make(const WindowFixture& w) {
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        w.trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->run() && w.session()->run()->complete(), kLong);
        w.session()->selection()->set({3, 5, 9}, 5);
        w->setBits(3);
        w->inspectPage()->heatMap()->setMetric(ui::Metric::OutputError);
        w->inspectState()->setSide(app::ChannelSide::Output);
        w->inspectState()->setRule(OutlierRule::Sigma);
        w.session()->filter()->set(QStringLiteral("mlp"), false);
        w->setWorkspace(app::Workspace::Run);
    }
    void checkRestored(const WindowFixture& w) {
        QCOMPARE(w->workspace(), app::Workspace::Run);
        QCOMPARE(bitsOf(*w.table()), m_bits);
        QCOMPARE(w.table()->plan().fingerprint(), m_fingerprint);
        QVERIFY(w.session()->calibration());
        QVERIFY(w.session()->run() && w.session()->run()->complete());
        QVERIFY(w.table()->row(5).stale); // edited after the run, as before
        QVERIFY(!w.table()->row(0).stale && !w.table()->row(0).done.isEmpty());
        QCOMPARE(w.session()->selection()->targets(), (QVector<int>{3, 5, 9}));
        QCOMPARE(w.session()->selection()->current(), 5);
        QCOMPARE(w->inspectPage()->heatMap()->metric(), ui::Metric::OutputError);
        QCOMPARE(w->inspectState()->side(), app::ChannelSide::Output);
        QVERIFY(w->inspectState()->rule() == OutlierRule::Sigma);
        QCOMPARE(w.session()->filter()->text(), QStringLiteral("mlp"));
    }
    static QByteArray bytesOf(const QString& file) {
        QFile f(file);
        return f.open(QIODevice::ReadOnly) ? f.readAll() : QByteArray();
    }
    static nlohmann::json read(const QString& file) {
        return nlohmann::json::parse(bytesOf(file).toStdString());
    }
    static void write(const QString& file, const nlohmann::json& json) {
        QFile f(file);
        QVERIFY(f.open(QIODevice::WriteOnly));
        f.write(QByteArray::fromStdString(json.dump()));
    }
    QStringList autosaves() const {
        QStringList out;
        const QDir folder(m_home->cache() + QStringLiteral("/autosave"));
        for (const QFileInfo& f : folder.entryInfoList({QStringLiteral("*.quantoscope")}, QDir::Files))
            out << f.absoluteFilePath();
        return out;
    }
    /// The autosave that holds a scheme of so many bits; "" when there is none.
    QString autosaveWith(int bits) const {
        for (const QString& file : autosaves())
            if (bytesOf(file).contains("\"bits\": " + QByteArray::number(bits))) return file;
        return {};
    }

    std::unique_ptr<WindowHome> m_home;
    QString m_file;
    QVector<int> m_bits;
    std::string m_fingerprint;
};

QS_TEST(WindowSessions)
#include "tst_window_session.moc"

// SPDX-License-Identifier: GPL-3.0-or-later
// A second process with a real window, killed by SIGKILL in the middle of its work: the next window offers
// what it held, and gets it back. The process is this program again, told by its environment to work until
// killed.
#include "app/WindowSession.h"
#include "tests/gui/WindowFixture.h"

#include <QProcess>
#include <QPushButton>
#include <cstdio>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;
constexpr const char* kHomeVariable = "QS_CRASH_HOME";
const QVector<int> kEdited = {0, 1, 2};

/// Edits without a rest; says so once the first edit is on disk.
[[noreturn]] void workUntilKilled() {
    WindowHome home("crash-recovery");
    QDir(home.folder).removeRecursively(); // nobody else would, after a kill
    home.folder = qEnvironmentVariable(kHomeVariable);
    WindowFixture w(home);
    w->openSample();
    if (!QTest::qWaitFor([&] { return bool(w.session()->model()); }, kLong)) std::exit(1);
    w.session()->selection()->set(kEdited, kEdited[1]);
    const QDir autosaves(qEnvironmentVariable(kHomeVariable) + QStringLiteral("/cache/autosave"));
    const auto saved = [&] {
        for (const QString& name : autosaves.entryList({QStringLiteral("*.quantoscope")}, QDir::Files)) {
            QFile file(autosaves.filePath(name));
            if (file.open(QIODevice::ReadOnly) && file.readAll().contains("\"bits\": 7")) return true;
        }
        return false;
    };
    w->setBits(7);
    if (!QTest::qWaitFor(saved, kLong)) std::exit(1);
    std::puts("saved");
    std::fflush(stdout);
    for (int bits = 5;; bits = 12 - bits) {
        w->setBits(bits);
        QTest::qWait(20);
    }
}

} // namespace

class CrashRecovery : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        if (qEnvironmentVariableIsSet(kHomeVariable)) workUntilKilled();
    }

    void killed_data() {
        QTest::addColumn<int>("after");
        // The process saves every tenth of a second: some of these hit it while it writes.
        for (const int ms : {0, 130, 310})
            QTest::addRow("%d ms", ms) << ms;
    }
    void killed() {
        QFETCH(int, after);
        const WindowHome home("crash-recovery");
        QProcess process;
        QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
        environment.insert(QString::fromLatin1(kHomeVariable), home.folder);
        process.setProcessEnvironment(environment);
        process.start(QCoreApplication::applicationFilePath(),
                      {QStringLiteral("--class"), QStringLiteral("CrashRecovery")});
        QByteArray told;
        QTRY_VERIFY_WITH_TIMEOUT((told += process.readAllStandardOutput()).contains("saved") ||
                                     process.state() == QProcess::NotRunning,
                                 kLong);
        QVERIFY2(process.state() == QProcess::Running, process.readAllStandardError().constData());
        QTest::qWait(after);
        // While it lives, its work is its own.
        {
            WindowFixture beside(home);
            QVERIFY(beside->sessionFiles()->recoverable().isEmpty());
        }
        process.kill();
        QVERIFY(process.waitForFinished(kLong));
        QCOMPARE(process.exitStatus(), QProcess::CrashExit);

        const QDir autosaves(home.cache() + QStringLiteral("/autosave"));
        QCOMPARE(autosaves.entryList({QStringLiteral("*.lock")}, QDir::Files | QDir::Hidden).size(),
                 1); // nobody cleaned up
        WindowFixture w(home);
        const QString left = w->sessionFiles()->recoverable();
        QVERIFY(QFile::exists(left));
        QVERIFY2(w->messageBar()->text().contains(u"can be restored"), qPrintable(w->messageBar()->text()));
        auto* restore = w->messageBar()->findChild<QPushButton*>();
        QVERIFY(restore && restore->isVisible());
        restore->click();
        QTRY_COMPARE_WITH_TIMEOUT(w.session()->selection()->targets(), kEdited, kLong);
        QCOMPARE(w.session()->selection()->current(), kEdited[1]);
        const int bits = w.table()->row(kEdited[0]).info->bits;
        QVERIFY2(bits == 7 || bits == 5, qPrintable(QString::number(bits)));
        for (int t = 0; t < w.table()->count(); ++t)
            if (w.table()->row(t).hasScheme())
                QCOMPARE(w.table()->row(t).info->bits, kEdited.contains(t) ? bits : 4);
        QTRY_VERIFY(!QFile::exists(left));
        w->close();
    }
};

QS_TEST(CrashRecovery)
#include "tst_crash_recovery.moc"

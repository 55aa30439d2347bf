// SPDX-License-Identifier: GPL-3.0-or-later
// The window in the sizes of common screens: every page fits, no text is cut.
#include "app/pages/ExportPage.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "tests/gui/ClippedText.h"
#include "tests/gui/WindowFixture.h"

#include <QDockWidget>

using namespace qs;
using namespace qs::test;

namespace {
constexpr int kLong = 180000;
}

class WindowSizes : public QObject {
    Q_OBJECT
private slots:
    /// Everything measured, so that every page has its longest texts.
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-sizes");
        m_window = std::make_unique<WindowFixture>(*m_home);
        auto& w = *m_window;
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("calibrate");
        QVERIFY(w.startDialog("calibrateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->calibration(), kLong);
        w.session()->selection()->selectOne(0);
        w->setBits(8); // something to undo, in the status line too
        w.trigger("run");
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->run() && w.session()->run()->complete(), kLong);
        w.trigger("evaluate");
        QVERIFY(w.startDialog("evaluateDialog", 64, 4));
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->evaluation(), kLong);
        w->exportPage()->selectExporter(QStringLiteral("dequantized"));
        w->exportPage()->setDirectory(m_home->folder + QStringLiteral("/out"));
        w->exportPage()->startExport();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->receipt(), kLong);
        w.session()->selection()->set({0, 1, 2, 7, 8, 9}, 1);
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void fits_data() {
        QTest::addColumn<int>("workspace");
        QTest::addColumn<QString>("dock");
        QTest::addColumn<QSize>("size");
        const std::pair<const char*, app::Workspace> pages[] = {{"inspect", app::Workspace::Inspect},
                                                                {"tune", app::Workspace::Tune},
                                                                {"run", app::Workspace::Run},
                                                                {"judge", app::Workspace::Judge},
                                                                {"export", app::Workspace::Export}};
        for (const QSize size : {QSize(1100, 700), QSize(1280, 800), QSize(1600, 1000)})
            for (const auto& [name, workspace] : pages)
                for (const char* dock : {"outliersDock", "tensorsDock", "problemsDock", "jobsDock"}) {
                    const bool docks =
                        workspace == app::Workspace::Inspect || workspace == app::Workspace::Run;
                    if (!docks && qstrcmp(dock, "outliersDock") != 0) continue;
                    QTest::addRow("%s %s %d", name, docks ? dock : "", size.width())
                        << int(workspace) << (docks ? dock : "") << size;
                }
        for (const QSize size : {QSize(1100, 700), QSize(1600, 1000)}) {
            QTest::addRow("distribution %d", size.width()) << -1 << QString() << size;
            QTest::addRow("tokens %d", size.width()) << -2 << QString() << size;
        }
    }
    void fits() {
        QFETCH(int, workspace);
        QFETCH(QString, dock);
        QFETCH(QSize, size);
        auto& w = *m_window;
        w->setWorkspace(app::Workspace(std::max(workspace, 0)));
        if (workspace == -2)
            w->inspectPage()->showTokens();
        else if (workspace < 0)
            w->inspectPage()->showDistribution();
        else
            w->inspectPage()->showProfile();
        w->resize(size);
        QTest::qWait(20);
        w->resetLayout();
        if (!dock.isEmpty()) w->findChild<QDockWidget*>(dock)->raise();
        QTest::qWait(120); // panes refresh a moment later
        QCOMPARE(w->size(), size);
        const QStringList cut = clippedTexts(w.window.get());
        QVERIFY2(cut.isEmpty(), qPrintable(cut.join(QLatin1Char('\n'))));
    }

    /// The pages give way, the docks stay as wide as a form needs.
    void docksMayShrink() {
        auto& w = *m_window;
        w->setWorkspace(app::Workspace::Inspect);
        w->resize(1600, 1000);
        w->resetLayout();
        auto* model = w.find<QDockWidget>("modelDock");
        auto* inspector = w.find<QDockWidget>("inspectorDock");
        w->resizeDocks({model, inspector}, {600, 600}, Qt::Horizontal);
        QTest::qWait(20);
        QVERIFY(model->width() > 350);
        w->resizeDocks({model, inspector}, {1, 1}, Qt::Horizontal);
        QTest::qWait(20);
        QVERIFY2(model->width() <= 240, qPrintable(QString::number(model->width())));
        QVERIFY2(inspector->width() <= 300, qPrintable(QString::number(inspector->width())));
        QVERIFY2(w->minimumSizeHint().width() <= 1100,
                 qPrintable(QString::number(w->minimumSizeHint().width())));
    }

private:
    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowSizes)
#include "tst_window_sizes.moc"

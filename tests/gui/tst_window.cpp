// SPDX-License-Identifier: GPL-3.0-or-later
// The window around the main job: errors, dropping, recent files, layout, themes.
#include "app/pages/InspectorPane.h"
#include "app/pages/JobsPane.h"
#include "app/pages/LayerGrid.h"
#include "tests/gui/WindowFixture.h"
#include "tests/support/small_model.h"
#include "widgets/theme/Theme.h"

#include <QDockWidget>
#include <QDropEvent>
#include <QFileInfo>
#include <QMenu>
#include <QMimeData>
#include <QTableView>

using namespace qs;
using namespace qs::test;

namespace {
constexpr int kLong = 180000;

void drop(QWidget* on, const QString& path) {
    QMimeData mime;
    mime.setUrls({QUrl::fromLocalFile(path)});
    QDragEnterEvent enter(QPoint(5, 5), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(on, &enter);
    QVERIFY(enter.isAccepted());
    QDropEvent event(QPointF(5, 5), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(on, &event);
}

QString sample() {
    return QString::fromStdString(sampleModel().string());
}
} // namespace

class Window : public QObject {
    Q_OBJECT
private slots:
    void damagedFile() {
        const WindowHome home("window-damaged");
        const std::filesystem::path folder = std::filesystem::path(home.folder.toStdString()) / "model";
        SmallModelShape shape;
        QS_VERIFY_OK(writeSmallModel(folder, shape, smallConfig(shape)));
        std::filesystem::resize_file(folder / "model.safetensors", 1000);
        WindowFixture w(home);
        w->openPath(QString::fromStdString(folder.string()));
        QTRY_VERIFY_WITH_TIMEOUT(w->messageBar()->isVisible(), kLong);
        QCOMPARE(w->messageBar()->tone(), app::MessageBar::Tone::Error);
        QVERIFY2(w->messageBar()->text().contains(u"model.safetensors"), qPrintable(w->messageBar()->text()));
        QVERIFY(!w.session()->model());
        QVERIFY(!QApplication::activeModalWidget()); // said, not asked
        const auto* jobs = w->jobsPane()->model();
        QCOMPARE(jobs->job(0)->state(), app::JobState::Failed);
        // The window goes on.
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        QVERIFY(!w->messageBar()->isVisible());
        // A failed open leaves what is open.
        w->openPath(QString::fromStdString((folder / "absent").string()));
        QTRY_VERIFY_WITH_TIMEOUT(w->messageBar()->isVisible(), kLong);
        QVERIFY(w.session()->model());
    }

    void dropFolder() {
        const WindowHome home("window-drop");
        WindowFixture w(home);
        drop(w.find<QWidget>("dropTarget"), sample());
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("close");
        QVERIFY(!w.session()->model());
        QVERIFY(w.find<QWidget>("welcomePage")->isVisible());
        // Anywhere on the window, too.
        drop(w.window.get(), sample());
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
    }

    void recentFiles() {
        const WindowHome home("window-recent");
        {
            app::Settings settings(home.settings());
            settings.addRecent(home.folder + QStringLiteral("/gone"));
        }
        WindowFixture w(home);
        w->openPath(sample());
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        const auto* menu = w.find<QMenu>("recentMenu");
        const QList<QAction*> actions = menu->actions();
        QCOMPARE(QFileInfo(actions[0]->text()).canonicalFilePath(), QFileInfo(sample()).canonicalFilePath());
        QVERIFY(actions[0]->isEnabled());
        QVERIFY(!actions[1]->isEnabled()); // greyed, not dropped
    }

    void dialogSeam() {
        const WindowHome home("window-dialog");
        WindowFixture w(home);
        w.dialogs->answers = {sample()};
        w.trigger("open");
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        QCOMPARE(w.dialogs->asked.size(), size_t(1));
        QVERIFY(w.dialogs->asked[0].kind == app::FileQuestion::Kind::OpenFolder);
    }

    void layoutIsKept() {
        const WindowHome home("window-layout");
        QSize size;
        {
            WindowFixture w(home);
            w->openSample();
            QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
            QTRY_VERIFY(w.find<QDockWidget>("inspectorDock")->isVisible());
            QVERIFY(w.find<QDockWidget>("modelDock")->isVisible());
            w.find<QDockWidget>("inspectorDock")->hide();
            w->resize(1280, 760);
            QTRY_COMPARE(w->size(), QSize(1280, 760));
            size = w->size();
            QTRY_COMPARE_WITH_TIMEOUT(w.session()->scannedCount(), w.table()->count(), kLong);
            QTRY_COMPARE_WITH_TIMEOUT(w.session()->pool()->activeCount(), 0, kLong);
            w->close();
            QVERIFY(!w->isVisible());
        }
        WindowFixture w(home);
        QCOMPARE(w->size(), size);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        QTRY_VERIFY(w.find<QDockWidget>("modelDock")->isVisible());
        QVERIFY(!w.find<QDockWidget>("inspectorDock")->isVisible());
        // Workspaces have their own docks and do not disturb each other.
        w->setWorkspace(app::Workspace::Judge);
        QVERIFY(!w.find<QDockWidget>("modelDock")->isVisible());
        w->setWorkspace(app::Workspace::Inspect);
        QVERIFY(w.find<QDockWidget>("modelDock")->isVisible());
        QVERIFY(!w.find<QDockWidget>("inspectorDock")->isVisible());
        w.trigger("resetLayout");
        QVERIFY(w.find<QDockWidget>("inspectorDock")->isVisible());
    }

    void maximisePane() {
        const WindowHome home("window-maximise");
        WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        QTRY_VERIFY(w.find<QDockWidget>("modelDock")->isVisible());
        w->activateWindow();
        w->centralWidget()->setFocus();
        w.trigger("maximize");
        QVERIFY(!w.find<QDockWidget>("modelDock")->isVisible());
        QVERIFY(!w.find<QDockWidget>("inspectorDock")->isVisible());
        QVERIFY(w->centralWidget()->isVisible());
        w.trigger("maximize");
        QVERIFY(w.find<QDockWidget>("modelDock")->isVisible());
    }

    void themeSwitch() {
        const WindowHome home("window-theme");
        WindowFixture w(home);
        w->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
        w.trigger("themeDark");
        QVERIFY(ui::theme().dark);
        QTRY_COMPARE(w->palette().color(QPalette::Window), QColor("#202329"));
        // What is painted follows: the middle of the page is dark.
        const QImage dark = w->grab().toImage();
        w.trigger("themeLight");
        QVERIFY(!ui::theme().dark);
        QTRY_COMPARE(w->palette().color(QPalette::Window), QColor("#F2F4F6"));
        const QImage light = w->grab().toImage();
        const auto meanLightness = [](const QImage& image) {
            double sum = 0;
            int n = 0;
            for (int y = 0; y < image.height(); y += 7)
                for (int x = 0; x < image.width(); x += 7, ++n)
                    sum += qGray(image.pixel(x, y));
            return sum / n;
        };
        QVERIFY(meanLightness(dark) < 80);
        QVERIFY(meanLightness(light) > 200);
        QCOMPARE(app::Settings(home.settings()).themeMode(), ui::ThemeMode::Light);
    }

    void gridDescribesBrush() {
        app::LayerGrid grid;
        grid.rows = {"q", "k", "v"};
        grid.columns = {"0", "1", "2", "3"};
        grid.cells.resize(12);
        QCOMPARE(grid.describe({{1, 0}}), QString());
        QCOMPARE(grid.describe({{1, 0}, {2, 0}, {3, 0}, {1, 1}, {2, 1}, {3, 1}}),
                 QStringLiteral("6 cells: blocks 1–3 × q, k"));
        QCOMPARE(grid.describe({{1, 0}, {2, 1}}), QStringLiteral("2 cells"));
        QCOMPARE(grid.describe({{2, 0}, {2, 1}, {2, 2}}), QStringLiteral("3 cells: block 2 × every module"));
    }
};

QS_TEST(Window)
#include "tst_window.moc"

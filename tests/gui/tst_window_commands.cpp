// SPDX-License-Identifier: GPL-3.0-or-later
// Actions and the command palette: every action has a key, a sentence and a reason; the palette finds and
// does by keyboard alone.
#include "app/dialogs/CommandPalette.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/InspectPage.h"
#include "app/pages/ModelTreePane.h"
#include "app/pages/TensorsPane.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/views/SearchLineEdit.h"

#include <QAccessible>
#include <QListView>
#include <QMenuBar>
#include <QTableView>

using namespace qs;
using namespace qs::test;
using app::PaletteModel;

namespace {

constexpr int kLong = 180000;

QString nameOf(const QWidget* w) {
    return QString::fromLatin1(w->metaObject()->className()) + QLatin1Char(' ') + w->objectName();
}

} // namespace

class WindowCommands : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-commands");
        m_window = std::make_unique<WindowFixture>(*m_home);
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void everyActionIsDescribed() {
        const auto actions = namedActions();
        QVERIFY(actions.size() > 35);
        for (const QAction* a : actions) {
            QVERIFY2(!a->shortcut().isEmpty(), qPrintable(a->objectName()));
            QVERIFY2(!a->statusTip().isEmpty(), qPrintable(a->objectName()));
            QVERIFY2(!a->toolTip().isEmpty(), qPrintable(a->objectName()));
        }
    }

    /// Without a model most cannot be used: each says why, and no longer than that.
    void disabledOnesSayWhy() {
        int disabled = 0;
        for (const QAction* a : namedActions()) {
            if (a->isEnabled() || a->objectName() == u"undo" || a->objectName() == u"redo") continue;
            ++disabled;
            QVERIFY2(a->toolTip().endsWith(QLatin1Char('.')) && a->toolTip() != a->text(),
                     qPrintable(a->objectName() + ": " + a->toolTip()));
        }
        QVERIFY(disabled > 15);
    }

    void paletteOpensFilesAndRunsActions() {
        const QString sample = QString::fromStdString(sampleModel().string());
        (*m_window)->settings()->addRecent(sample);
        open();
        // The reason of what cannot be done is shown, and Enter repeats it instead of doing nothing.
        type("set 4 bits");
        QCOMPARE(current(Qt::DisplayRole).toString(), QStringLiteral("Set bits: 4 bits"));
        QVERIFY(current(PaletteModel::BlockedRole).toBool());
        QVERIFY(current(PaletteModel::DetailRole).toString().contains(u"Open a model"));
        key(Qt::Key_Return);
        QVERIFY(!palette()->isVisible());
        QVERIFY((*m_window)->messageBar()->text().contains(u"Open a model"));
        open();
        type("sample/model");
        QCOMPARE(current(PaletteModel::KindRole).toInt(), int(PaletteModel::Kind::File));
        key(Qt::Key_Return);
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), kLong);
        open();
        type("judge");
        key(Qt::Key_Return);
        QCOMPARE((*m_window)->workspace(), app::Workspace::Judge);
    }

    void paletteJumpsToTensors() {
        open();
        type("layers.2 up_proj");
        QCOMPARE(current(PaletteModel::KindRole).toInt(), int(PaletteModel::Kind::Tensor));
        key(Qt::Key_Down);
        key(Qt::Key_Up);
        key(Qt::Key_Return);
        const ui::TargetRow& row = m_window->table()->row(m_window->session()->selection()->current());
        QCOMPARE(row.module, QStringLiteral("layers.2.mlp.up_proj"));
        QCOMPARE((*m_window)->workspace(), app::Workspace::Inspect);
        open();
        type("zzzzqqq");
        QCOMPARE(palette()->model()->rowCount(), 0);
        key(Qt::Key_Return); // nothing to do
        key(Qt::Key_Escape);
        QVERIFY(!palette()->isVisible());
    }

    /// Typed in one view, it narrows the others and pales the map.
    void oneFilterForAllViews() {
        app::MainWindow* w = m_window->window.get();
        auto* table = m_window->find<ui::SearchLineEdit>("tensorFilter");
        auto* tree = m_window->find<ui::SearchLineEdit>("treeFilter");
        const int all = w->tensorsPane()->model()->rowCount();
        tree->setText(QStringLiteral("1..2 down"));
        QTRY_COMPARE(w->tensorsPane()->model()->rowCount(), 2);
        QCOMPARE(table->text(), tree->text());
        const auto* map = w->inspectPage()->heatMap()->map();
        const auto dimmed = [map] {
            int n = 0;
            for (const quint8 f : map->data()->flags)
                n += bool(f & ui::kCellDimmed);
            return n;
        };
        QTRY_COMPARE(dimmed(), all - 2);
        table->clear();
        QTRY_COMPARE(w->tensorsPane()->model()->rowCount(), all);
        QTRY_COMPARE(dimmed(), 0);
        QVERIFY(tree->text().isEmpty());
    }

    /// Whatever takes the keyboard has a name for those who cannot see it.
    void everyInteractiveWidgetHasAName() {
        QStringList nameless;
        for (QWidget* w : m_window->window->findChildren<QWidget*>()) {
            if (!(w->focusPolicy() & Qt::TabFocus) || w->focusProxy() || w->isWindow()) continue;
            if (w->isHidden() || w->window() != m_window->window.get()) continue; // lists of combo boxes
            // The tabs of a tab bar name themselves.
            if (qobject_cast<QSplitter*>(w) || qobject_cast<QTabBar*>(w) ||
                w->objectName().startsWith(QLatin1String("qt_")))
                continue;
            const QAccessibleInterface* a = QAccessible::queryAccessibleInterface(w);
            if (!a || a->text(QAccessible::Name).isEmpty()) nameless << nameOf(w);
        }
        nameless.removeDuplicates();
        QVERIFY2(nameless.isEmpty(), qPrintable(nameless.join(QStringLiteral(", "))));
    }

private:
    QList<QAction*> namedActions() const {
        QList<QAction*> out;
        for (QAction* a : m_window->window->findChildren<QAction*>(QString(), Qt::FindDirectChildrenOnly))
            if (!a->objectName().isEmpty() && !a->menu() && !a->isSeparator()) out << a;
        return out;
    }
    app::CommandPalette* palette() const { return (*m_window)->commandPalette(); }
    void open() {
        m_window->trigger("palette");
        QVERIFY(palette()->isVisible());
    }
    void type(const char* text) { QTest::keyClicks(palette()->line(), QString::fromLatin1(text)); }
    void key(Qt::Key k) { QTest::keyClick(palette()->line(), k); }
    QVariant current(int role) const { return palette()->findChild<QListView*>()->currentIndex().data(role); }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowCommands)
#include "tst_window_commands.moc"

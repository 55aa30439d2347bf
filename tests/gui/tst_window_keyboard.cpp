// SPDX-License-Identifier: GPL-3.0-or-later
// The window without a mouse: Tab reaches every control, menus have mnemonics, shortcuts are unambiguous.
#include "tests/gui/ClippedText.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/heatmaps/HeatMapWidget.h"

#include <QAbstractSpinBox>
#include <QAccessible>
#include <QComboBox>
#include <QLineEdit>
#include <QMenuBar>
#include <QPushButton>
#include <QTableView>

using namespace qs;
using namespace qs::test;

namespace {

constexpr int kLong = 180000;
constexpr int kMostControls = 400;

/// Controls that do something nothing else does. Buttons of the tool bar and of dock titles are menu entries
/// as well.
bool mustBeReached(const QWidget* w) {
    if (!isShown(w) || !w->isEnabled()) return false;
    if (qobject_cast<const QAbstractSpinBox*>(w->parentWidget()) ||
        qobject_cast<const QComboBox*>(w->parentWidget()))
        return false; // its line edit
    return qobject_cast<const QPushButton*>(w) || qobject_cast<const QComboBox*>(w) ||
           qobject_cast<const QLineEdit*>(w) || qobject_cast<const QAbstractSpinBox*>(w) ||
           qobject_cast<const QTableView*>(w) || qobject_cast<const ui::HeatMapWidget*>(w);
}

QString nameOf(const QWidget* w) {
    return QString::fromLatin1(w->metaObject()->className()) + QLatin1Char(' ') + w->objectName();
}

void checkMenu(const QString& title, const QList<QAction*>& actions) {
    QHash<QChar, QString> taken;
    for (const QAction* a : actions) {
        if (a->isSeparator()) continue;
        const int at = int(a->text().indexOf(QLatin1Char('&')));
        QVERIFY2(at >= 0, qPrintable(title + QStringLiteral(": no mnemonic in ") + a->text()));
        const QChar key = a->text()[at + 1].toLower();
        QVERIFY2(!taken.contains(key), qPrintable(title + QStringLiteral(": ") + taken.value(key) +
                                                  QStringLiteral(", ") + a->text()));
        taken.insert(key, a->text());
    }
}

} // namespace

class WindowKeyboard : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("window-keyboard");
        m_window = std::make_unique<WindowFixture>(*m_home);
        (*m_window)->openSample();
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->model(), kLong);
        QTRY_COMPARE_WITH_TIMEOUT(m_window->session()->pool()->activeCount(), 0, kLong);
        (*m_window)->activateWindow();
        QVERIFY(QTest::qWaitForWindowActive(m_window->window.get()));
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void tabReachesEveryControl_data() {
        QTest::addColumn<int>("workspace");
        for (const auto& [name, w] :
             {std::pair("inspect", app::Workspace::Inspect), std::pair("tune", app::Workspace::Tune),
              std::pair("run", app::Workspace::Run), std::pair("judge", app::Workspace::Judge),
              std::pair("export", app::Workspace::Export)})
            QTest::addRow("%s", name) << int(w);
    }
    void tabReachesEveryControl() {
        QFETCH(int, workspace);
        QWidget* window = m_window->window.get();
        (*m_window)->setWorkspace(app::Workspace(workspace));
        QTest::qWait(100);
        QSet<const QWidget*> reached;
        for (int i = 0; i < kMostControls; ++i) {
            QWidget* at = QApplication::focusWidget();
            QTest::keyClick(at ? at : window, Qt::Key_Tab);
            at = QApplication::focusWidget();
            QVERIFY(at);
            if (reached.contains(at)) break; // around once
            QVERIFY2(at->isVisible(), qPrintable(nameOf(at)));
            reached.insert(at);
        }
        QStringList missed;
        for (const QWidget* w : window->findChildren<QWidget*>())
            if (mustBeReached(w) && !reached.contains(w)) missed << nameOf(w);
        QVERIFY2(missed.isEmpty(), qPrintable(missed.join(QStringLiteral(", "))));
    }

    /// What a screen reader says about a control.
    void everyControlHasAName() {
        for (const auto workspace : {app::Workspace::Inspect, app::Workspace::Tune, app::Workspace::Run,
                                     app::Workspace::Judge, app::Workspace::Export}) {
            (*m_window)->setWorkspace(workspace);
            QTest::qWait(50);
            for (const QWidget* w : m_window->window->findChildren<QWidget*>()) {
                if (!mustBeReached(w) || qobject_cast<const QPushButton*>(w)) continue;
                const QAccessibleInterface* a =
                    QAccessible::queryAccessibleInterface(const_cast<QWidget*>(w));
                QVERIFY2(a && !a->text(QAccessible::Name).isEmpty(), qPrintable(nameOf(w)));
            }
        }
    }

    /// Enter in a dialog does what the dialog is for.
    void enterStartsTheDialog() {
        m_window->trigger("calibrate");
        auto* dialog = m_window->find<app::TextDialog>("calibrateDialog");
        QVERIFY(QTest::qWaitForWindowActive(dialog));
        dialog->findChild<QSpinBox*>(QStringLiteral("windowLength"))->setValue(64);
        dialog->findChild<QSpinBox*>(QStringLiteral("windows"))->setValue(4);
        auto* start = dialog->findChild<QPushButton*>(QStringLiteral("start"));
        QTRY_VERIFY_WITH_TIMEOUT(start->isEnabled(), kLong);
        QTest::keyClick(dialog->findChild<QComboBox*>(), Qt::Key_Return);
        QTRY_VERIFY_WITH_TIMEOUT(m_window->session()->calibration(), kLong);
        QVERIFY(m_window->dialogs->asked.empty());
    }

    void menusHaveMnemonics() {
        const QMenuBar* bar = (*m_window)->menuBar();
        checkMenu(QStringLiteral("menu bar"), bar->actions());
        for (const QAction* a : bar->actions()) {
            checkMenu(a->text(), a->menu()->actions());
            if (QTest::currentTestFailed()) return;
        }
    }

    void shortcutsAreUnambiguous() {
        QHash<QKeySequence, QString> taken;
        for (const QAction* a : m_window->window->findChildren<QAction*>()) {
            if (a->shortcutContext() == Qt::WidgetShortcut) continue; // Ctrl+C copies what has the focus
            for (const QKeySequence& key : a->shortcuts()) {
                QVERIFY2(!taken.contains(key),
                         qPrintable(key.toString() + QStringLiteral(": ") + taken.value(key) +
                                    QStringLiteral(", ") + a->text()));
                taken.insert(key, a->text());
            }
        }
        QVERIFY(taken.contains(QKeySequence(QStringLiteral("Ctrl+R"))));
    }

private:
    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(WindowKeyboard)
#include "tst_window_keyboard.moc"

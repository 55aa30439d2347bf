// SPDX-License-Identifier: GPL-3.0-or-later
// The browser of methods and formats: all entries by family, the filter, the details, what exports hold them.
#include "app/dialogs/MethodsBrowser.h"
#include "core/quant/method.h"
#include "tests/gui/ClippedText.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/views/SearchLineEdit.h"

#include <QLabel>
#include <QTreeWidget>

using namespace qs;
using namespace qs::test;
using app::MethodsBrowser;

namespace {
constexpr int kLong = 180000;
}

class MethodsBrowserDialog : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() {
        m_home = std::make_unique<WindowHome>("methods-browser");
        m_window = std::make_unique<WindowFixture>(*m_home);
        QVERIFY(QTest::qWaitForWindowExposed(m_window->window.get()));
        m_window->trigger("methods"); // without a model
        QVERIFY(browser());
        QVERIFY(browser()->isVisible() && !browser()->isModal());
        m_window->trigger("methods");
        QCOMPARE(m_window->window->findChildren<MethodsBrowser*>().size(), 1);
    }
    void cleanupTestCase() {
        m_window.reset();
        m_home.reset();
    }

    void allEntriesByFamily() {
        QCOMPARE(browser()->shownCount(), int(catalogue().size()));
        const QTreeWidget* tree = browser()->tree();
        QCOMPARE(tree->topLevelItemCount(), 5);
        QCOMPARE(tree->topLevelItem(0)->text(0), QStringLiteral("Methods"));
        int methodsShown = 0;
        for (int f = 0; f < tree->topLevelItem(0)->childCount(); ++f)
            methodsShown += tree->topLevelItem(0)->child(f)->childCount();
        QCOMPARE(methodsShown, int(methods().size()));
        const QTreeWidgetItem* gptq = item("gptq");
        QVERIFY(gptq);
        QCOMPARE(gptq->parent()->text(0), QStringLiteral("Error compensation"));
        QCOMPARE(gptq->text(MethodsBrowser::NeedsColumn), QStringLiteral("calibration (second moments)"));
    }

    void exportsArrive() {
        QTRY_VERIFY_WITH_TIMEOUT(browser()->exportsKnown(), kLong);
        QCOMPARE(item("gptq")->text(MethodsBrowser::ExportsColumn), QStringLiteral("all"));
        QVERIFY(item("gptq")->toolTip(MethodsBrowser::ExportsColumn).contains("gguf, fp8"));
        const QStringList spqr = item("spqr")->text(MethodsBrowser::ExportsColumn).split(", ");
        QVERIFY2(!spqr.contains("gptq") && spqr.contains("dequantized"), qPrintable(spqr.join(' ')));
    }

    void detailsOfTheChosen() {
        browser()->tree()->setCurrentItem(item("smoothquant"));
        const QString html = browser()->details()->text();
        for (const char* part : {"SmoothQuant", "arXiv:2211.10438", "channel statistics", "(row ", "gptq",
                                 "--transform smoothquant"})
            QVERIFY2(html.contains(QLatin1String(part)), part);
    }

    void filter() {
        browser()->filter()->setText(QStringLiteral("2210.17323 column")); // citation and summary of GPTQ
        QTRY_COMPARE(browser()->shownCount(), 1);
        QVERIFY(!item("gptq")->isHidden() && item("rtn")->isHidden());
        QVERIFY(item("rtn")->parent()->isHidden());
        QVERIFY(browser()->details()->text().contains(u"GPTQ"));        // what is shown is chosen
        browser()->filter()->setText(QStringLiteral("bnb_nf4 levels")); // an export and a family
        QTRY_VERIFY(!item("nf")->isHidden() && item("gptq")->isHidden());
        browser()->filter()->setText(QStringLiteral("nosuchword"));
        QTRY_COMPARE(browser()->shownCount(), 0);
        QVERIFY(!browser()->filter()->toolTip().isEmpty());
        QTest::keyClick(browser()->filter(), Qt::Key_Escape);
        QTRY_COMPARE(browser()->shownCount(), int(catalogue().size()));
        QVERIFY(browser()->isVisible());
        const QStringList cut = clippedTexts(browser());
        QVERIFY2(cut.isEmpty(), qPrintable(cut.join('\n')));
    }

private:
    MethodsBrowser* browser() const { return m_window->window->findChild<MethodsBrowser*>(); }
    const QTreeWidgetItem* itemOf(const char* id) const {
        for (QTreeWidgetItemIterator it(browser()->tree()); *it; ++it)
            if ((*it)->text(MethodsBrowser::Id) == QLatin1String(id)) return *it;
        return nullptr;
    }
    QTreeWidgetItem* item(const char* id) const { return const_cast<QTreeWidgetItem*>(itemOf(id)); }

    std::unique_ptr<WindowHome> m_home;
    std::unique_ptr<WindowFixture> m_window;
};

QS_TEST(MethodsBrowserDialog)
#include "tst_methods_browser.moc"
